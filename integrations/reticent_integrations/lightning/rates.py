"""The learning rates that a step of training goes by."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reticent_integrations.torch import optimizers


def learning_rates(all_of_them: Iterable[Any]) -> dict[str, float]:
    """`learning_rate` of the first group of the first optimizer; others with the prefixes that their params have."""
    rates = {}
    for number, optimizer in enumerate(all_of_them, 1):
        prefix = "" if number == 1 else f"optimizer_{number}."
        for group, rate in enumerate(optimizers.learning_rates(optimizer)):
            rates[f"{prefix}learning_rate" if group == 0 else f"{prefix}group_{group}.learning_rate"] = rate
    return rates
