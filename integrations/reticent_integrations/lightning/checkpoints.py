"""The checkpoints that a training writes, each logged when it is there, with the score that its callback has for it."""

from __future__ import annotations

import os
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
    known.capture.resumable_from(path)
    told = {"step": int(trainer.global_step), **_scored(trainer, path)}
    if Path(path).exists():
        known.capture.log_checkpoint(path, **told)
    else:
        known.unwritten.append((Path(path), told))


def resumed_from(trainer: Any, chosen: Any) -> str | None:
    """The checkpoint that a training is resumed from, if that can be told from `ckpt_path` as Lightning will."""
    if chosen == "best":
        return getattr(trainer.checkpoint_callback, "best_model_path", None) or None
    if chosen == "last":
        found = [path for one in trainer.checkpoint_callbacks for path in _last_checkpoints(one, trainer)]
        return max(filter(os.path.exists, found), key=os.path.getmtime, default=None)
    return str(chosen) if isinstance(chosen, (str, os.PathLike)) else None


def log_late(known: Training) -> None:
    """Log what was written in the background; where it was not, there is nothing to log."""
    for path, told in known.unwritten:
        if path.exists():
            known.capture.log_checkpoint(path, **told)
    known.unwritten.clear()


def _last_checkpoints(callback: Any, trainer: Any) -> list[str]:
    find = getattr(callback, "_find_last_checkpoints", None)  # of ModelCheckpoint, which Lightning asks in the same way
    return [] if find is None else list(find(trainer))


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
