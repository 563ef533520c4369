"""Keras 3, on whichever of its backends: `fit`, and what is asked of the model after it by `evaluate` and `predict`.

Of each epoch it logs the metrics, the validation and a checkpoint; loops that users write themselves, of `train_on_batch`
or of a tape and an optimizer's `apply`, are runs too. Data is described and never read, beyond samples of arrays.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Annotated

import msgspec

from reticent.patching import Call, Integration, LightPatch, Options, Patch
from reticent_integrations.keras import (
    callbacks,
    checkpoints,
    data,
    early_stopping,
    later,
    loops,
    owners,
    params,
    tensorboard,
    trained,
)
from reticent_integrations.keras.epochs import Epochs


class KerasOptions(Options, frozen=True, forbid_unknown_fields=True, kw_only=True):
    checkpoint_mb: Annotated[float, msgspec.Meta(ge=0)] = 50
    """Weights up to this size are copied after each epoch for a checkpoint, if the training writes none itself."""


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


_TRAINERS = {"tensorflow": "TensorFlowTrainer", "torch": "TorchTrainer", "jax": "JAXTrainer"}
"""Where each backend has its `fit` and the like; a process has one of them."""
_HOOKS = {
    "fit": fit,
    "evaluate": later.evaluate,
    "predict": later.predict,
}

integration = Integration(
    "keras",
    module="keras",
    requires=">=3.5",
    patches=(
        *(
            Patch(f"keras.src.backend.{backend}.trainer:{trainer}.{name}", hook, optional=True)
            for backend, trainer in _TRAINERS.items()
            for name, hook in _HOOKS.items()
        ),
        *(
            LightPatch(
                f"keras.src.backend.{backend}.trainer:{trainer}.train_on_batch",
                loops.trained_on_batch,
                outer=True,
                optional=True,
            )
            for backend, trainer in _TRAINERS.items()
        ),
        LightPatch("keras.src.optimizers.base_optimizer:BaseOptimizer.apply", loops.applied),
        LightPatch("keras.src.models.model:Model.__init__", owners.made),
    ),
    options=KerasOptions,
    demo="reticent_integrations.keras.demo",
)
