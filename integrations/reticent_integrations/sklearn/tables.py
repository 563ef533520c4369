"""What functions of `sklearn.metrics` give that is no number: files of a run, and pictures of most.

Bounded copies are taken within the call, since the arrays are the user's; the rest is done in the background.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reticent.patching import Capture
from reticent_integrations.sklearn import curves, drawing
from reticent_integrations.sklearn.functions import CURVES

MOST_CELLS = 40_000
_MOST_LABELED_ROWS = 10_000


def log(capture: Capture, name: str, function: str, dataset: str, value: Any, given: Mapping[str, Any]) -> None:
    """Log, by the name, what a function gave for its arguments `given`; nothing of a table without end."""
    if function in CURVES:
        _log_curve(capture, name, function, dataset, value, given.get("pos_label"))
    elif isinstance(value, str):
        capture.in_background("table of a metric", lambda: capture.log_text(value, f"{name}.txt"))
    elif getattr(value, "size", 0) <= MOST_CELLS:
        data = value if isinstance(value, dict) else value.tolist()
        capture.in_background("table of a metric", lambda: capture.log_dict(data, f"{name}.json"))
        labels = _labels(given, len(data)) if function == "confusion_matrix" else None
        if labels is not None and len(data) <= curves.MOST_CLASSES:
            shown = {"data": dataset, "labels": labels, "matrix": data}
            picture = f"{name}.png"
            capture.in_background("picture of a metric", lambda: capture.log_picture(drawing.confusion, shown, picture))


def _log_curve(capture: Capture, name: str, function: str, dataset: str, value: Any, positive: Any) -> None:
    import numpy as np

    parts = dict(zip(CURVES[function], value, strict=True))
    thresholds = parts.pop("threshold")
    if any(np.isnan(points).any() for points in parts.values()):
        return  # one class alone has no curve
    curve = {"label": "1" if positive is None else str(positive), **_summary(function, parts)}
    if function == "precision_recall_curve":  # from the highest threshold, as that of the training data
        thresholds, parts = thresholds[::-1], {part: points[-2::-1] for part, points in parts.items()}
    kept = curves.spread(len(thresholds))
    points = {part: values[kept] for part, values in {"threshold": thresholds, **parts}.items()}

    def log_curve() -> None:
        data = {"data": dataset, "curves": [{**curve, **{part: curves.rounded(one) for part, one in points.items()}}]}
        capture.log_dict(data, f"{name}.json")
        draw = {"roc_curve": drawing.roc, "precision_recall_curve": drawing.precision_recall}.get(function)
        if draw is not None:
            capture.log_picture(draw, data, f"{name}.png")

    capture.in_background("curve of a metric", log_curve)


def _summary(function: str, parts: Mapping[str, Any]) -> dict[str, float]:
    """What a curve says in one number, of all its points."""
    import numpy as np

    if function == "roc_curve":
        true, false = parts["true_positive_rate"], parts["false_positive_rate"]
        return {"auc": float(np.sum(np.diff(false) * (true[1:] + true[:-1]) / 2))}
    if function == "precision_recall_curve":
        average = -float(np.sum(np.diff(parts["recall"]) * parts["precision"][:-1]))
        return {"average_precision": average, "share_of_positives": float(parts["precision"][0])}
    return {}


def _labels(given: Mapping[str, Any], count: int) -> list[str] | None:
    """What the rows of a confusion matrix are called; None if some rows of the data do not tell all labels."""
    import numpy as np

    labels = given.get("labels")
    if labels is None:
        step = -(-len(given["y_true"]) // _MOST_LABELED_ROWS) or 1
        labels = np.union1d(np.asarray(given["y_true"])[::step], np.asarray(given["y_pred"])[::step])
    found = np.asarray(labels).tolist()
    return [str(label) for label in found] if len(found) == count else None
