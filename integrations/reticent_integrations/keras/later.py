"""What is asked of a model after its training, or while a loop trains it: `evaluate` and `predict`, logged to that run.

Metrics are `test_loss`, `test_accuracy` and so on; of other data, `test_2_loss`. If a run is open, they are that run's. A
model that was loaded is asked without a trace if none is.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Generator
from typing import Any, Literal

import reticent
from reticent.patching import Call, Capture
from reticent_integrations.keras import data
from reticent_integrations.keras.metrics import named

_MOST_DATA = 50
"""Of more data sets, no more is logged: a model may be asked about each of a million states."""


class _Asked:
    """Where to log what a model is asked, and what the data is called there."""

    def __init__(self, capture: Capture) -> None:
        self.capture = capture
        self._names: dict[tuple[str, str], str] = {}
        """By role and digest."""
        self._lock = threading.Lock()

    def log_data(self, role: Literal["test", "predict"], call: Call) -> str | None:
        """What the data of a call is called: "test", then "test_2"...; None if there was too much before."""
        with self._lock:
            if len(self._names) >= _MOST_DATA:
                return None
        found = data.describe(call.get("x"), call.get("y"), call.get("sample_weight"))
        with self._lock:
            known = self._names.get((role, found.digest))
            if known is not None:
                return known
            number = 1 + sum(before == role for before, _ in self._names)
            name = self._names[role, found.digest] = role if number == 1 else f"{role}_{number}"
        self.capture.log_dataset(name, role, found)
        return name


_trained: weakref.WeakKeyDictionary[Any, _Asked] = weakref.WeakKeyDictionary()
"""By model, for the run that trained it, or trains it."""
_joined: weakref.WeakKeyDictionary[Any, _Asked] = weakref.WeakKeyDictionary()
"""By model, for the last other run that was open when it was asked."""


def remember(model: Any, capture: Capture, x: Any, y: Any) -> None:
    """Log to the training's run what the model is asked from now on, and `sklearn.metrics` of its predictions.

    Of a loop's data nothing is known as a whole: `x` and `y` are None.
    """
    from reticent_integrations.sklearn import later

    _trained[model] = _Asked(capture)
    later.remember_other(model, capture, x, y, {})


def evaluate(call: Call) -> Generator[None, Any, None]:
    """Around `Model.evaluate`, if it is not a part of `fit`."""
    asked = _asked(call)
    if asked is None:
        yield
        return
    name = None
    with asked.capture.guard("datasets"):
        name = asked.log_data("test", call)
    with asked.capture.phase("test") as phase:
        result = yield
        phase.samples = _samples(call)
    if name is not None:
        with asked.capture.guard("metrics"):
            for metric, value in named(call.instance, result).items():
                asked.capture.log_metric(f"{name}_{metric}", float(value))


def predict(call: Call) -> Generator[None, Any, None]:
    """Around `Model.predict`."""
    asked = _asked(call)
    if asked is None:
        yield
        return
    with asked.capture.guard("datasets"):
        asked.log_data("predict", call)
    with asked.capture.phase("predict") as phase:
        output = yield
        phase.samples = _samples(call)
    from reticent_integrations.sklearn import later

    later.predicted(call.instance, call.get("x"), output)


def _asked(call: Call) -> _Asked | None:
    model, run = call.instance, reticent.active_run()
    known = _trained.get(model)
    if run is None or (known is not None and known.capture.run is run):
        return known
    joined = _joined.get(model)
    if joined is None or joined.capture.run is not run:
        joined = _joined[model] = _Asked(call.capture)
    return joined


def _samples(call: Call) -> int:
    rows = data.rows(call.get("x"))
    return rows if rows is not None and not call.get("steps") else 0
