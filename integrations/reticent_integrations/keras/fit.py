"""`Model.fit`."""

from __future__ import annotations

from collections.abc import Generator

from reticent.patching import Call
from reticent_integrations.keras import (
    callbacks,
    checkpoints,
    data,
    early_stopping,
    later,
    params,
    tensorboard,
    trained,
)
from reticent_integrations.keras.epochs import Epochs


def fit(call: Call) -> Generator[None, None, None]:
    """Around `Model.fit`."""
    model, given = call.instance, callbacks.flat(call.get("callbacks"))
    call.name = f"{type(model).__name__}.fit"
    capture = call.capture
    stopping = early_stopping.among(given)
    training = data.Training(call)
    epochs = Epochs(capture, model, checkpoints.of(capture, model, given, stopping))
    call.set("callbacks", callbacks.with_ours(call.get("callbacks"), epochs))
    if not call.inner:
        with capture.guard("params"):
            params.log(call, training, stopping)
        with capture.guard("datasets"):
            training.log(capture)
    boards = tensorboard.Boards(given)

    with capture.phase("fit") as phase:
        yield
        phase.samples = training.samples(epochs.steps, epochs.trained)

    with capture.guard("early stopping"):
        early_stopping.log(capture, stopping, epochs, call.get("epochs"))
    with capture.guard("TensorBoard files"):
        boards.log(capture)
    if not call.inner:
        with capture.guard("model"):
            trained.log(capture, model, training.x)
        later.remember(model, capture, training.x, call.get("y"))
