"""The calls of `partial_fit` of one estimator object: together they are one fit.

A run that is opened for them ends when the estimator is no more, when its `fit` is called, or with the process. The
model is logged then: the estimator's attributes are kept for that, not the estimator itself.
"""

from __future__ import annotations

import os
import threading
import weakref
from functools import cache
from typing import Any

import reticent
from reticent import datasets, holding
from reticent.patching import Capture, quiet
from reticent.process import at_exit
from reticent_integrations.sklearn import importances, later

EXAMPLE_ROWS = 5
_MOST = 1000


class Training:
    """What the calls have in common."""

    def __init__(self, capture: Capture, estimator: Any, fitted: later.Fitted, features: Any) -> None:
        self.capture = capture
        self.calls = 0
        self._samples = 0
        self._fitted = fitted
        self._kind = type(estimator)
        self._attributes = vars(estimator)
        self._example = _first_rows(features)
        self._lock = threading.Lock()
        self._kept = False

    @property
    def is_open_here(self) -> bool:
        """Whether a call that is made now, in this context, is a part of it."""
        run, current = self.capture.run, reticent.active_run()
        if self._kept or not run.owned or run.status != "RUNNING":
            return False
        return current is run or (current is None and run.holding.has(self))

    def advance(self, samples: int, loss: Any) -> None:
        """Log a call that has been made."""
        self._samples += samples
        told = {"samples_seen": self._samples, "loss": loss}
        numbers = {name: value for name, value in told.items() if isinstance(value, (int, float))}
        self.capture.log_step(numbers, self.calls)
        self._fitted.step = self.calls
        self.calls += 1

    def keep_model(self) -> None:
        """Log the model as it is now, once."""
        with self._lock:
            if self._kept or not self.calls or not self.capture.run.owned:
                return
            self._kept = True
        with self.capture.guard("model"), quiet():
            model = object.__new__(self._kind)
            vars(model).update(self._attributes)
            self.capture.log_model(model, signature_inputs=self._example, input_example=self._example)
            importances.log(self.capture, model)

    def end(self) -> None:
        self.keep_model()
        holding.leave(self.capture.run, self)

    def end_in_background(self) -> None:
        self.capture.in_background("end of a training", self.end)


_trainings = later.WeakTable(_MOST)


def begin(training: Training, estimator: Any) -> None:
    """Have `training` found by its estimator, and ended after it."""
    _trainings.put(estimator, training)
    weakref.finalize(estimator, training.end_in_background).atexit = False
    _keep_models_at_exit(os.getpid())


def find(estimator: Any) -> Training | None:
    found: Training | None = _trainings.get(estimator)
    return found


def end(estimator: Any) -> None:
    """No more calls of this estimator belong to those that it has had so far."""
    training: Training | None = _trainings.pop(estimator)
    if training is not None:
        training.end()


@cache
def _keep_models_at_exit(pid: int) -> None:  # noqa: ARG001 - once in each process
    at_exit(_keep_models)


def _keep_models() -> None:
    """The runs themselves end with the process, as it ends."""
    for training in _trainings.values():
        training.keep_model()


def _first_rows(features: Any) -> Any:
    """Rows of our own, so that the user's batch may go; None where they cannot be had without reading from it."""
    if hasattr(features, "__next__") or not datasets.rows(features):
        return None
    rows = datasets.take(features, 1, EXAMPLE_ROWS)
    copy = getattr(rows, "copy", None) or getattr(rows, "clone", None)
    return None if copy is None else copy()
