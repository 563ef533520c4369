"""How long the steps of a rank take, in trainings of all frameworks. Most processes are none, and nothing is timed there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reticent.ranks import step_times


class ForwardEnded:
    """Before each pass backward on every rank."""

    wanted = False

    def __call__(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], _: None) -> None:  # noqa: ARG002 - a hook's form
        step_times.forward_ended()


forward_ended = ForwardEnded()


def look() -> None:
    """Find out, after 1, 2, 4, 8... calls, whether this is a rank: it may be set up meanwhile, and the run opened."""
    step_times.count = count = step_times.count + 1
    if count & (count - 1) == 0:
        forward_ended.wanted = step_times.wanted()
