"""The metrics of a training, from Lightning's own dictionary of them: logged once each, when they are new.

What is known once an epoch has the epoch as its step. What is known more often (of each training step, of validations
in the middle of an epoch) has the number of optimizer steps, as in the names of checkpoints.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from reticent.patching import Capture


class Look(NamedTuple):
    """What early stopping saw when it may have looked."""

    step: int
    """Of the metric's point."""
    epoch: int
    value: Any


class Metrics:
    """Lightning makes a new tensor for a new value, so what is the same object as before is not new."""

    def __init__(self, capture: Capture) -> None:
        self._capture = capture
        self._seen: dict[str, Any] = {}
        self._logged_at = 0
        self.steps: dict[str, int] = {}
        """At which step each metric has its newest point."""
        self.watched: dict[str, list[Look]] = {}
        """By the metrics that early stopping monitors."""

    def log_step(self, trainer: Any, rates: Mapping[str, float]) -> None:
        """Log what a training step has given; of steps whose gradients are accumulated that of the last one."""
        step = trainer.global_step
        if step == self._logged_at:
            return
        self._logged_at = step
        metrics = latest(trainer)
        fresh = {
            name: value
            for name, value in self._fresh(metrics).items()
            if metrics.get(f"{name}_step") is not value  # then the epoch's value goes by the plain name
        }
        self.steps |= dict.fromkeys(fresh, step)
        self._capture.log_step({**fresh, **rates}, step)

    def end_steps(self, trainer: Any) -> None:
        """What an epoch's steps have left is not of the epoch."""
        self._fresh(latest(trainer))

    def log_epoch(self, trainer: Any, step: int, epoch: int) -> None:
        """Log what is known at the end of an epoch, or of a validation in it."""
        metrics = latest(trainer)
        fresh = self._fresh(metrics)
        self.steps |= dict.fromkeys(fresh, step)
        self._capture.log_metrics(fresh, step)
        for name, looks in self.watched.items():
            if name in self.steps and (not looks or looks[-1].step != self.steps[name]):
                looks.append(Look(self.steps[name], epoch, metrics[name]))

    def log_last(self, trainer: Any) -> None:
        """Log what a training that ran in other processes has brought back."""
        epoch = max(0, trainer.current_epoch - 1)
        self.log_epoch(trainer, epoch, epoch)

    def _fresh(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        fresh = {name: value for name, value in metrics.items() if self._seen.get(name) is not value}
        self._seen |= fresh
        return fresh


def latest(trainer: Any) -> dict[str, Any]:
    """What Lightning has put into `callback_metrics` by now. To ask for that would make it compute what it has not yet,
    which on several devices all of them have to do together."""
    known: dict[str, Any] = trainer._logger_connector._callback_metrics
    return known
