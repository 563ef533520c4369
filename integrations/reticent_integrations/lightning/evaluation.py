"""`Trainer.validate`, `test` and `predict`, on their own: logged to the run that the module was trained in, if there is one.

A name that the training has metrics by, of each of its epochs, is told apart by the phase: `validate.val_loss`.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import reticent
from reticent.patching import Call, Capture
from reticent_integrations.lightning import data, model, training
from reticent_integrations.lightning.callback import evaluation_observer, observing
from reticent_integrations.lightning.params import Params


def validate(call: Call) -> Generator[None, Any, None]:
    """Around `Trainer.validate`."""
    yield from _evaluate(call, "validate", "eval")


def test(call: Call) -> Generator[None, Any, None]:
    """Around `Trainer.test`."""
    yield from _evaluate(call, "test", "test")


def predict(call: Call) -> Generator[None, Any, None]:
    """Around `Trainer.predict`. Of predictions alone, with no training before and no run around, nothing is captured."""
    yield from _evaluate(call, "predict", "predict")


def _evaluate(call: Call, name: str, role: data.Role) -> Generator[None, Any, None]:
    trainer = call.instance
    if trainer is None or not trainer.is_global_zero or training.tunes(trainer):
        yield
        return
    given = call.get("model")
    module = model.unwrapped(trainer.lightning_module if given is None else given)
    known, current = training.of(module), reticent.active_run()
    if known is not None and current is not None and current is not known.capture.run:
        known = None  # the user has opened another run for this
    if known is None and current is None and name == "predict":
        yield
        return
    capture = _opened(call, trainer, module, name) if known is None else known.capture
    taken = set() if known is None else {"validate", *known.metrics.steps}

    def own(key: str) -> str:
        return f"{name}.{key}" if key in taken else key

    observer = evaluation_observer(call.integration.name, capture, role)
    with capture.phase(own(name)) as phase, observing(trainer, observer):
        observer.phase = phase
        yield
    with capture.guard("metrics"):
        capture.log_metrics({own(key): value for key, value in trainer.callback_metrics.items()})


def _opened(call: Call, trainer: Any, module: Any, name: str) -> Capture:
    call.name = f"{type(module).__name__}.{name}"
    capture = call.capture
    capture.set_tags({"Mode": name})
    with capture.guard("params"):
        Params(capture).log_fit(trainer, module, data.module(call, "dataloaders"))
    return capture
