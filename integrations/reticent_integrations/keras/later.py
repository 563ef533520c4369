"""What is asked of a model after its training: `evaluate` and `predict`, logged to the run that trained it.

Metrics are `test_loss`, `test_accuracy` and so on; of other data, `test_2_loss`. In a run that the user has opened since,
they are that run's. A model that was loaded, with no run open, is asked without a trace.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Generator
from typing import Any

from reticent.api import active_run
from reticent.patching import Call, Capture
from reticent_integrations.keras import data
from reticent_integrations.keras.metrics import named


class _Asked:
    """Where to log what a model is asked, and what the data is called there."""

    def __init__(self, capture: Capture) -> None:
        self.capture = capture
        self._names: dict[str, str] = {}
        """By digest."""
        self._lock = threading.Lock()

    def name(self, role: str, digest: str) -> tuple[str, bool]:
        """What data is called, and whether it is new: "test", then "test_2"..."""
        with self._lock:
            known = self._names.get(f"{role} {digest}")
            if known is not None:
                return known, False
            number = 1 + sum(name.startswith(f"{role} ") for name in self._names)
            name = self._names[f"{role} {digest}"] = role if number == 1 else f"{role}_{number}"
            return name, True


_models: weakref.WeakKeyDictionary[Any, _Asked] = weakref.WeakKeyDictionary()


def remember(model: Any, capture: Capture) -> None:
    """Log to the training's run what the model is asked from now on."""
    _models[model] = _Asked(capture)


def evaluate(call: Call) -> Generator[None, Any, None]:
    """Around `Model.evaluate`, if it is not a part of `fit`."""
    asked = _asked(call)
    if asked is None:
        yield
        return
    name = _log_data(call, asked, "test")
    with asked.capture.phase(name) as phase:
        result = yield
        phase.samples = _samples(call)
    with asked.capture.guard("metrics"):
        for metric, value in named(call.instance, result).items():
            asked.capture.log_metric(f"{name}_{metric}", float(value))


def predict(call: Call) -> Generator[None, Any, None]:
    """Around `Model.predict`."""
    asked = _asked(call)
    if asked is None:
        yield
        return
    name = _log_data(call, asked, "predict")
    with asked.capture.phase(name) as phase:
        yield
        phase.samples = _samples(call)


def _asked(call: Call) -> _Asked | None:
    model, run = call.instance, active_run()
    known = _models.get(model)
    if run is None or call.inner or (known is not None and known.capture.run is run):
        return known
    known = _models[model] = _Asked(call.capture)
    return known


def _log_data(call: Call, asked: _Asked, role: Any) -> str:
    name: str = role
    with asked.capture.guard("datasets"):
        found = data.describe(call.get("x"), call.get("y"), call.get("sample_weight"))
        name, new = asked.name(role, found.digest)
        if new:
            asked.capture.log_dataset(name, role, found)
    return name


def _samples(call: Call) -> int:
    rows = data.rows(call.get("x"))
    return rows if rows is not None and not call.get("steps") else 0
