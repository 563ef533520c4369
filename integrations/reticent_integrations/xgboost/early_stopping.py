"""Early stopping, by an argument or by a callback, in the terms that all integrations share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reticent.patching import Call, Capture, EarlyStopping
from reticent.patching.early_stopping import Reason


@dataclass(frozen=True)
class Stopping:
    """What the training was told about stopping early: by its argument, or by a callback."""

    rounds: int
    all_rounds: int
    callback: Any = None

    def monitor(self, history: Mapping[str, Mapping[str, Any]]) -> str:
        """The data set and the metric that decide: the last ones where none are named, as XGBoost has it."""
        data = getattr(self.callback, "data", None) or list(history)[-1]
        metric = getattr(self.callback, "metric_name", None) or list(history[data])[-1]
        return f"{data}-{metric}"

    def first_round(self, booster: Any, steps: int) -> int:
        """The rounds of the model that the training went on from; XGBoost counts iterations from 0 all the same."""
        if self.callback is not None:  # it may have cut the booster to its best rounds
            return int(self.callback.starting_round)
        return int(booster.num_boosted_rounds()) - steps


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


def log(capture: Capture, stopping: Stopping, observer: Any, booster: Any) -> None:
    best = booster.attr("best_iteration")
    if best is None or observer.last_step < 0:
        return  # not one iteration was trained
    stopped = observer.last_step
    # Steps are those of the metrics. Iterations are XGBoost's own: they go on from the model that was trained before.
    first_round = stopping.first_round(booster, stopped + 1)
    best_step = int(best) - first_round
    reason: Reason = "stopped otherwise"
    if stopped - best_step >= stopping.rounds:
        reason = "no improvement"
    elif stopped + 1 >= stopping.all_rounds:
        reason = "all steps trained"
    score = float(booster.attr("best_score"))
    monitor = stopping.monitor(observer.history)
    capture.log_early_stopping(EarlyStopping(monitor, best_step, stopped, score, reason, stopping.rounds))
    capture.log_metrics({"best_iteration": int(best), "stopped_iteration": stopped + first_round}, stopped)
