"""The hooks around a Trainer's trainings, and around a search that trains for each of its trials."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

from reticent.patching import Call
from reticent_integrations.transformers import early_stopping, evaluations, models, params
from reticent_integrations.transformers.observer import is_watched, observer_class, watching
from reticent_integrations.transformers.trainers import run_name, samples


def train(call: Call) -> Generator[None, Any, None]:
    """Around `Trainer.train`."""
    trainer = call.get("self")
    # A subclass's own `train` comes here again by `super().train()`. Of several processes the first one logs.
    if is_watched(trainer) or not trainer.is_world_process_zero():
        yield
        return
    call.name = run_name(trainer, "train")
    call.child = call.nested
    place = _resumed_place(trainer, call.get("resume_from_checkpoint"))
    if place is not None:
        call.resume_from(place)
    capture = call.capture
    observer = observer_class()(capture, trainer, call.get("trial"))
    evaluations.remember(trainer, capture)

    with capture.phase("fit") as phase, watching(trainer, observer):
        try:
            output = yield
        finally:
            if not observer.began:  # it failed before
                params.log(capture, trainer)
        phase.samples = samples(getattr(output, "metrics", None), "train")

    stopping = early_stopping.callback(trainer)
    if stopping is not None:
        with capture.guard("early stopping"):
            early_stopping.log(capture, trainer, stopping)
    with capture.guard("model"):
        models.log(capture, trainer, observer.first_batch)


def search(call: Call) -> Generator[None, Any, None]:
    """Around `Trainer.hyperparameter_search`: the run that those of the trials are children of."""
    trainer = call.get("self")
    if not trainer.is_world_process_zero():
        yield
        return
    call.name = run_name(trainer, "hyperparameter_search")
    capture = call.capture
    with capture.guard("params"):
        told = ("n_trials", "direction", "backend", "hp_space", "compute_objective", "hp_name")
        capture.log_params({name: call.get(name) for name in told if call.explicit(name)}, "explicit")
        capture.log_params({name: value for name, value in call.defaults().items() if name in told}, "default")

    best = yield

    for found in best if isinstance(best, list) else [best]:
        if found is not None:
            with capture.guard("best trial"):
                capture.log_params({f"best_{name}": value for name, value in found.hyperparameters.items()}, "derived")
                capture.set_tags({"best_trial": found.run_id})
                if isinstance(found.objective, (int, float)):
                    capture.log_metric("best_objective", found.objective)


def _resumed_place(trainer: Any, checkpoint: object) -> str | None:
    """The directory with the checkpoint that a training is resumed from."""
    if isinstance(checkpoint, (str, os.PathLike)):
        return os.path.dirname(os.path.realpath(checkpoint))
    return trainer.args.output_dir if checkpoint else None
