"""Early stopping, in the same terms for all frameworks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Reason: TypeAlias = Literal[
    "no improvement",
    "all steps trained",
    "threshold reached",
    "diverged",
    "not finite",
    "stopped otherwise",
]


@dataclass(frozen=True, slots=True)
class EarlyStopping:
    """What came of it. Steps are those of the monitored metric's points; for most frameworks that is epochs or rounds.

    None: the framework does not tell."""

    monitor: str
    best_step: int | None
    stopped_step: int
    """The last step that was trained, whether the training stopped early or not."""
    best_score: float | None
    reason: Reason
    patience: int | None = None
    """How many checks without improvement end the training."""

    def metrics(self) -> dict[str, float]:
        told = {"best_step": self.best_step, "stopped_step": self.stopped_step, "best_score": self.best_score}
        return {name: value for name, value in told.items() if value is not None}

    def tags(self) -> dict[str, object]:
        told = {"monitor": self.monitor, "reason": self.reason, "patience": self.patience}
        return {f"early_stopping_{name}": value for name, value in told.items() if value is not None}
