"""Early stopping, by an argument or by a callback, in the terms that all integrations share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reticent.patching import Call, EarlyStopping
from reticent.patching.early_stopping import Reason
from reticent_integrations.xgboost.observer import History


@dataclass(frozen=True)
class Stopping:
    """What the training was told about stopping early: by its argument, or by a callback."""

    rounds: int
    all_rounds: int
    callback: Any = None

    def monitor(self, history: History) -> str:
        """The data set and the metric that decide: the last ones where none are named, as XGBoost has it."""
        data = getattr(self.callback, "data", None) or list(history)[-1]
        metric = getattr(self.callback, "metric_name", None) or list(history[data])[-1]
        return f"{data}-{metric}"


def told(call: Call, callbacks: list[Any]) -> Stopping | None:
    """None if the training does not stop early."""
    from xgboost.callback import EarlyStopping

    all_rounds = call.get("num_boost_round")
    if call.get("early_stopping_rounds"):
        return Stopping(call.get("early_stopping_rounds"), all_rounds)
    for callback in callbacks:
        if isinstance(callback, EarlyStopping):
            return Stopping(callback.rounds, all_rounds, callback)
    return None


def log(stopping: Stopping, observer: Any, suffix: str = "") -> None:
    """`suffix`: what the name of the monitored metric has in addition."""
    if observer.best is None or observer.last_step < 0:
        return  # not one iteration was trained
    # Steps are those of the metrics. Iterations are XGBoost's own: they go on from the model that was trained before.
    stopped = observer.last_step
    first_round = observer.rounds - (stopped + 1)
    best, score = observer.best
    best_step = best - first_round
    reason: Reason = "stopped otherwise"
    if stopped - best_step >= stopping.rounds:
        reason = "no improvement"
    elif stopped + 1 >= stopping.all_rounds:
        reason = "all steps trained"
    monitor = stopping.monitor(observer.history) + suffix
    capture = observer.capture
    capture.log_early_stopping(EarlyStopping(monitor, best_step, stopped, score, reason, stopping.rounds))
    capture.log_metrics({"best_iteration": best, "stopped_iteration": stopped + first_round}, stopped)
