"""`Trainer.fit`."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from reticent.patching import Call
from reticent_integrations.lightning import checkpoints, data, early_stopping, model, params
from reticent_integrations.lightning.callback import observing, training_observer
from reticent_integrations.lightning.metrics import Metrics
from reticent_integrations.lightning.training import Training, remember, tunes


def fit(call: Call) -> Generator[None, Any, None]:
    """Around `Trainer.fit`."""
    trainer = call.instance
    if trainer is None or not trainer.is_global_zero:
        yield
        return
    if tunes(trainer):
        call.quiet = True
        yield
        return
    module = model.unwrapped(call.get("model"))
    call.name = type(module).__name__
    place = checkpoints.resumed_from(trainer, call.get("ckpt_path"))
    if place is not None:
        call.resume_from(place)
    capture = call.capture
    training = Training(capture, params.Params(capture), Metrics(capture))
    remember(module, training)
    capture.set_tags({"Mode": "training"})
    if not call.inner:
        with capture.guard("params"):
            training.params.log_fit(trainer, module, data.module(call, "train_dataloaders"))

    observer = training_observer(call.integration.name, training)
    try:
        with capture.phase("fit") as phase, observing(trainer, observer):
            observer.phase = phase
            yield
    finally:
        checkpoints.log_late(training)
        if observer.terminated and not call.joined:  # by SIGTERM: to Python, an exit like any other
            capture.run.end("KILLED")

    if not observer.began:  # it was trained by processes that the trainer has spawned: their last metrics are here
        with capture.guard("metrics"):
            training.metrics.log_last(trainer)
    with capture.guard("early stopping"):
        early_stopping.log(training, trainer)
    if not call.inner:
        with capture.guard("model"):
            model.log(capture, trainer, module, observer.example)


def spawned(call: Call) -> Generator[None, Any, None]:
    """Around `Trainer._run`, which is called outside of `fit` in the processes that a trainer spawns: its process logs."""
    call.quiet = True
    yield
