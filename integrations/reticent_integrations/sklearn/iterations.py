"""What a fitted estimator has kept of its iterations: losses and scores of each, and how its training was stopped."""

from __future__ import annotations

from typing import Any

from reticent.patching import Capture, EarlyStopping
from reticent.patching.early_stopping import Reason

_EACH = {
    "loss": "loss_curve_",
    "train_score": "train_score_",
    "validation_score": "validation_score_",
    "oob_score": "oob_scores_",
    "oob_improvement": "oob_improvement_",
    "estimator_error": "estimator_errors_",
    "lower_bound": "lower_bounds_",
}
"""The attributes of scikit-learn's estimators that have a number for each iteration, by the names of our metrics."""

_ONCE = {"n_iter": "n_iter_", "inertia": "inertia_", "oob_score": "oob_score_"}


def log(capture: Capture, model: Any) -> None:
    if type(model).__module__.partition(".")[0] != "sklearn":
        return  # what others mean by these names is not known
    histories = {name: numbers(getattr(model, attribute, None)) for name, attribute in _EACH.items()}
    histories["validation_score"] = histories["validation_score"] or numbers(getattr(model, "validation_scores_", None))
    for name, history in histories.items():
        for step, value in enumerate(history):
            capture.log_step({name: value}, step)
    for name, attribute in _ONCE.items():
        values = numbers(getattr(model, attribute, None))
        if values and not histories.get(name):
            capture.log_metric(name, max(values))  # one-against-all fits count their iterations for each class
    stopping = _stopping(model, histories)
    if stopping is not None:
        capture.log_early_stopping(stopping)


def numbers(value: Any) -> list[float]:
    """A number or a row of them as a list; empty if it is none."""
    import numpy as np

    try:
        array = np.atleast_1d(np.asarray(value, dtype=float))
    except (TypeError, ValueError):
        return []
    return array.tolist() if value is not None and array.ndim == 1 else []


def _stopping(model: Any, histories: dict[str, list[float]]) -> EarlyStopping | None:
    """How an estimator with `n_iter_no_change` has ended; None if it was not to stop early."""
    patience = getattr(model, "n_iter_no_change", None)
    if patience is None or not getattr(model, "do_early_stopping_", True):
        return None
    if hasattr(model, "n_estimators_"):  # gradient boosting keeps no losses of its validation data
        return _untold(model, "validation_loss", model.n_estimators_, model.n_estimators, patience)
    trained, planned = int(model.n_iter_), int(model.max_iter)
    monitor = next((name for name in ("validation_score", "loss", "train_score") if histories[name]), None)
    if monitor is None:  # stochastic gradient descent keeps none at all
        if hasattr(model, "hidden_layer_sizes") or getattr(model, "tol", None) is None:
            return None
        watched = "validation_score" if model.early_stopping else "loss"
        return _untold(model, watched, trained, planned, patience)
    history = histories[monitor]
    scores = [-value for value in history] if monitor == "loss" else history
    known = [step for step, score in enumerate(scores) if score == score]
    if not known:
        return None
    best = max(known, key=lambda step: scores[step])
    return EarlyStopping(monitor, best, len(history) - 1, history[best], _reason(trained, planned), patience)


def _untold(model: Any, monitor: str, trained: int, planned: int, patience: int) -> EarlyStopping:
    reason = _reason(trained, planned)
    # Descent stops when so many epochs have passed since the last one that was better; unless its rate adapts to that.
    counted = hasattr(model, "n_iter_") and getattr(model, "learning_rate", None) != "adaptive"
    best = trained - 1 - patience if counted and reason == "no improvement" else None
    return EarlyStopping(monitor, best, trained - 1, None, reason, patience)


def _reason(trained: int, planned: int) -> Reason:
    return "no improvement" if trained < planned else "all steps trained"
