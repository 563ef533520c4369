"""What a Trainer is asked outside of a training: `evaluate` and `predict`, logged to the run of its last training."""

from __future__ import annotations

import weakref
from collections.abc import Generator
from typing import Any, Literal

import reticent
from reticent.patching import Call, Capture
from reticent_integrations.transformers import data, params
from reticent_integrations.transformers.observer import is_watched, observer_class, watching
from reticent_integrations.transformers.trainers import run_name, samples

_captures: weakref.WeakKeyDictionary[Any, Capture] = weakref.WeakKeyDictionary()
"""Where each Trainer's last training or evaluation was logged to."""


def remember(trainer: Any, capture: Capture) -> None:
    """Log what this Trainer is asked from now on to the run of this training."""
    _captures[trainer] = capture


def evaluate(call: Call) -> Generator[None, Any, None]:
    """Around `Trainer.evaluate`."""
    yield from _around(call, "validate", "eval", call.get("eval_dataset"))


def predict(call: Call) -> Generator[None, Any, None]:
    """Around `Trainer.predict`."""
    yield from _around(call, "predict", "test", call.get("test_dataset"))


def _around(call: Call, phase_name: str, context: Literal["eval", "test"], dataset: Any) -> Generator[None, Any, None]:
    trainer = call.get("self")
    if is_watched(trainer) or not trainer.is_world_process_zero():
        yield
        return
    capture = _capture(call, trainer)
    prefix = call.get("metric_key_prefix", context)
    with capture.guard("data sets"):
        for name, one in data.named(prefix, dataset).items():
            data.log_one(capture, name, context, one)
    observer = observer_class()(capture, trainer)
    with capture.phase(phase_name) as phase, watching(trainer, observer):
        result = yield
        phase.samples = samples(getattr(result, "metrics", result), prefix)


def _capture(call: Call, trainer: Any) -> Capture:
    """The one of the last training, unless the user has another run open; for a model that was only loaded a new one."""
    known, open_run = _captures.get(trainer), reticent.active_run()
    if known is not None and (open_run is None or open_run is known.run):
        return known
    call.name = run_name(trainer, call.function.__name__)
    params.log(call.capture, trainer)
    with call.capture.guard("data sets"):
        data.log(call.capture, trainer)
    remember(trainer, call.capture)
    return call.capture
