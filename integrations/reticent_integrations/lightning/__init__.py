"""Lightning, by both of its names: `lightning.pytorch` and `pytorch_lightning`, whose classes are different ones.

Of `Trainer.fit`: hyperparameters of the module and the data, the trainer's arguments, optimizers and schedulers, metrics of
each step and epoch, early stopping, the checkpoints that Lightning writes, the model. What is validated, tested and
predicted afterwards belongs to the run of the fit, and so does a fit that goes on from one of its checkpoints. Only the
process of global rank 0 logs, and it asks nothing of others.
"""

from __future__ import annotations

from reticent.patching import Integration, Patch


def _integration(name: str, package: str) -> Integration:
    trainer = f"{package}.trainer.trainer:Trainer"
    return Integration(
        name,
        module=name,
        requires=">=2.4",
        patches=(
            Patch(f"{trainer}.fit", f"{__name__}.fit:fit"),
            Patch(f"{trainer}.validate", f"{__name__}.evaluation:validate"),
            Patch(f"{trainer}.test", f"{__name__}.evaluation:test"),
            Patch(f"{trainer}.predict", f"{__name__}.evaluation:predict"),
            Patch(f"{trainer}.save_checkpoint", f"{__name__}.checkpoints:save_checkpoint", nested=True),
            Patch(f"{trainer}._run", f"{__name__}.fit:spawned", optional=True),
            Patch(f"{trainer}.__init__", f"{__name__}.params:remember_arguments", transparent=True),
        ),
        demo="reticent_integrations.lightning.demo",
    )


integration = _integration("lightning", "lightning.pytorch")
pytorch_lightning = _integration("pytorch_lightning", "pytorch_lightning")
