"""Keras 3, on whichever of its backends: `fit`, and what is asked of the model after it by `evaluate` and `predict`.

Of each epoch it logs the metrics, the validation and a checkpoint; loops that users write themselves, of `train_on_batch`
or of a tape and an optimizer's `apply`, are runs too. Data is described and never read, beyond samples of arrays.
"""

from __future__ import annotations

from reticent.patching import Integration, LightPatch, Patch

_TRAINERS = {"tensorflow": "TensorFlowTrainer", "torch": "TorchTrainer", "jax": "JAXTrainer"}
"""Where each backend has its `fit` and the like; a process has one of them."""
_HOOKS = {
    "fit": f"{__name__}.fit:fit",
    "evaluate": f"{__name__}.later:evaluate",
    "predict": f"{__name__}.later:predict",
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
                f"{__name__}.loops:trained_on_batch",
                outer=True,
                optional=True,
            )
            for backend, trainer in _TRAINERS.items()
        ),
        LightPatch("keras.src.optimizers.base_optimizer:BaseOptimizer.apply", f"{__name__}.loops:applied"),
        LightPatch("keras.src.models.model:Model.__init__", f"{__name__}.owners:made"),
    ),
    options=f"{__name__}.options:KerasOptions",
    demo="reticent_integrations.keras.demo",
)
