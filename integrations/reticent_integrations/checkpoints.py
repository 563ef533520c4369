"""Boosters that are saved while they are trained are checkpoints, whoever saves them."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal, NamedTuple, Protocol

from reticent.patching import Call, Capture


class Score(NamedTuple):
    value: float | None = None
    monitor: str = ""
    mode: Literal["min", "max"] = "min"


class Training(Protocol):
    """The callback that watches a training."""

    capture: Capture
    last_step: int

    def score(self) -> Score:
        """How good the model is by now, as far as that is known."""


_watched: ContextVar[Training | None] = ContextVar("reticent_boosting", default=None)


@contextmanager
def of(training: Training) -> Iterator[None]:
    """In here, files that a booster is saved to are checkpoints of this training."""
    token = _watched.set(training)
    try:
        yield
    finally:
        _watched.reset(token)


def save(call: Call) -> Generator[None, Any, None]:
    """Around a booster's method that saves it to the file that is its first argument."""
    yield
    training = _watched.get()
    if training is not None and training.last_step >= 0:
        score = training.score()
        file, step = next(iter(call.given().values())), training.last_step
        training.capture.log_checkpoint(file, step, score.value, monitor=score.monitor, mode=score.mode)
