"""Early stopping by CatBoost's overfitting detector, in the terms that all integrations share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reticent.patching import Capture, EarlyStopping
from reticent.patching.early_stopping import Reason


def log(capture: Capture, estimator: Any, found: Mapping[str, Any], called_back: bool) -> None:
    """Nothing where no detector was on, or nothing to evaluate on. The last of several data sets decides; callbacks of
    the user's may have ended the training too."""
    best, evals = estimator.best_iteration_, estimator.evals_result_
    if best is None or "od_type" not in found:
        return
    data = list(evals)[-1]
    metric = deciding(evals[data], str(found.get("eval_metric")), str(found.get("loss_function")))
    stopped = len(evals[data][metric]) - 1
    patience = int(found["od_wait"]) if found["od_type"] == "Iter" else None
    reason: Reason = "no improvement"
    if stopped + 1 >= int(found["iterations"]):
        reason = "all steps trained"
    elif (patience is not None and stopped - best < patience) or (patience is None and called_back):
        reason = "stopped otherwise"
    score = evals[data][metric][best]
    capture.log_early_stopping(EarlyStopping(f"{data}-{metric}", best, stopped, score, reason, patience))
    capture.log_metrics({"stopped_iteration": stopped}, stopped)


def deciding(metrics: Mapping[str, Any], metric: str, loss: str) -> str:
    """Which of the metrics decides: of one that the user wrote, CatBoost does not tell the name."""
    if metric in metrics:
        return metric
    return max(metrics, key=lambda name: (name != loss, len(metrics[name])))
