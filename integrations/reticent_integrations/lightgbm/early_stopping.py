"""Early stopping, by a callback or by a param, in the terms that all integrations share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reticent.patching import EarlyStopping
from reticent.patching.early_stopping import Reason
from reticent_integrations.lightgbm.observer import MetricObserver, Result

_BOOSTING = ("boosting", "boosting_type", "boost")


@dataclass(frozen=True)
class Stopping:
    """What the training was told about stopping early."""

    rounds: int
    first_metric_only: bool
    min_delta: Any


def callback_of(callbacks: list[Any]) -> Any:
    """The user's callback that stops a training early, if there is one."""
    from lightgbm import early_stopping

    kind = type(early_stopping(1, verbose=False))
    return next((callback for callback in callbacks if isinstance(callback, kind)), None)


def log(callback: Any, observer: MetricObserver, best_iteration: int, suffix: str = "") -> None:
    """`best_iteration`: how many rounds are the best ones, as LightGBM says it; 0 if it did not look for them. `suffix`:
    what the name of the monitored metric has in addition."""
    stopping = _told(callback, observer.params)
    if stopping is None or not observer.history or best_iteration <= 0:
        return
    decided = _decided(stopping, observer)
    if decided is None:
        return
    column, by_patience = decided
    best_step, stopped = best_iteration - 1, observer.last_step
    reason: Reason = "stopped otherwise"
    if by_patience:
        reason = "no improvement"
    elif stopped + 1 >= observer.end_step:
        reason = "all steps trained"
    best = observer.history[best_step - observer.first_step][column]
    capture, monitor = observer.capture, best.name + suffix
    capture.log_early_stopping(EarlyStopping(monitor, best_step, stopped, best.score, reason, stopping.rounds))
    # As LightGBM and MLflow have it: how many rounds that is, not which step.
    capture.log_metrics({"best_iteration": best_iteration, "stopped_iteration": stopped + 1}, stopped)


def _told(callback: Any, params: dict[str, Any]) -> Stopping | None:
    """None if the training does not stop early."""
    if callback is not None:
        told = Stopping(callback.stopping_rounds, callback.first_metric_only, callback.min_delta)
        return told if callback.enabled else None
    rounds = params.get("early_stopping_round") or 0
    if rounds <= 0 or "dart" in map(params.get, _BOOSTING):
        return None
    return Stopping(rounds, params.get("first_metric_only", False), params.get("early_stopping_min_delta", 0.0))


def _decided(stopping: Stopping, observer: MetricObserver) -> tuple[int, bool] | None:
    """Which of the results decided on the end, and whether it had not got better for long enough. LightGBM looks at them
    in turn, and tells nobody. None if there is only the training data, which it does not look at."""
    columns = observer.history[0]
    watched = [
        column
        for column, result in enumerate(columns)
        if result.data != observer.train_name
        and not (stopping.first_metric_only and result.metric != columns[0].metric)
    ]
    for column in watched:
        scores = [results[column] for results in observer.history]
        if len(scores) - 1 - _best(scores, _delta(stopping.min_delta, column)) >= stopping.rounds:
            return column, True
    return (watched[0], False) if watched else None


def _best(scores: list[Result], delta: float) -> int:
    """The last one that was better than the best one before by more than `delta`."""
    best = 0
    for position, result in enumerate(scores):
        gain = result.score - scores[best].score
        if (gain if result.higher_is_better else -gain) > delta:
            best = position
    return best


def _delta(told: Any, column: int) -> float:
    """One for all, or one for each metric of every data set."""
    deltas = told if isinstance(told, list) else [told]
    return float(deltas[column % len(deltas)]) if deltas else 0.0
