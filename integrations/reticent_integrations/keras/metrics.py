"""Names for the numbers that Keras returns in a list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def named(model: Any, result: Any) -> dict[str, Any]:
    """What `evaluate` and `train_on_batch` return, by the names of the metrics, in whichever form it was asked for."""
    if isinstance(result, Mapping):
        return dict(result)
    numbers = list(result) if isinstance(result, (list, tuple)) else [result]
    names: list[str] = []
    for metric in model.metrics:
        inner = getattr(metric, "metrics", None)  # those that the model was compiled with are in one
        names += [one.name for one in inner] if isinstance(inner, list) else [metric.name]
    if len(names) < len(numbers):
        names = ["loss", *(f"metric_{number}" for number in range(1, len(numbers)))]
    return dict(zip(names, numbers, strict=False))
