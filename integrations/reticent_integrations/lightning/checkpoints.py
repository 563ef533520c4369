"""The checkpoints that a training writes, each logged when it is there, with the score that its callback has for it."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

from reticent.patching import Call
from reticent_integrations.lightning import training
from reticent_integrations.lightning.training import Training


def save_checkpoint(call: Call) -> Generator[None, Any, None]:
    """Around `Trainer.save_checkpoint`, which ModelCheckpoint calls, and users do."""
    yield
    trainer = call.instance
    known = None if trainer is None else training.of(trainer.lightning_module)
    path = str(call.get("filepath"))
    passing = Path(path).name.startswith(
        "."
    )  # Lightning's finders of rates and batch sizes go back to one, and delete it
    if known is None or not trainer.is_global_zero or passing or "://" in path:
        return
    told = {"step": int(trainer.global_step), **_scored(trainer, path)}
    if Path(path).exists():
        known.capture.log_checkpoint(path, **told)
    else:
        known.unwritten.append((Path(path), told))


def log_late(known: Training) -> None:
    """Log what was written in the background; where it was not, there is nothing to log."""
    for path, told in known.unwritten:
        if path.exists():
            known.capture.log_checkpoint(path, **told)
    known.unwritten.clear()


def _scored(trainer: Any, path: str) -> dict[str, Any]:
    """Score, monitor and mode of a checkpoint, from the first callback that ranks its checkpoints: scores of several
    do not compare."""
    for callback in trainer.checkpoint_callbacks:
        if getattr(callback, "monitor", None) is not None:
            score = callback.best_k_models.get(path)
            if score is None:
                return {}
            return {"score": float(score), "monitor": callback.monitor, "mode": callback.mode}
    return {}
