"""The trainings that were captured, by their modules: where to log what comes of a module later."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from reticent.patching import Capture
from reticent_integrations.lightning.metrics import Metrics
from reticent_integrations.lightning.params import Params


@dataclass(frozen=True)
class Training:
    """One fit. It holds neither the module nor the trainer, both of which may be gone by the time it is asked for."""

    capture: Capture
    params: Params
    metrics: Metrics
    unwritten: list[tuple[Path, dict[str, Any]]] = field(default_factory=list)
    """Checkpoints that something still writes in the background, and the options to log them with."""


_trainings: WeakKeyDictionary[Any, Training] = WeakKeyDictionary()


def remember(module: Any, training: Training) -> None:
    _trainings[module] = training


def of(module: Any) -> Training | None:
    """The last captured training of a module."""
    return None if module is None else _trainings.get(module)


def tunes(trainer: Any) -> bool:
    """Whether a call is a trial of the Tuner's, for a learning rate or a batch size, and no training."""
    return any(getattr(callback, "_early_exit", False) for callback in trainer.callbacks)
