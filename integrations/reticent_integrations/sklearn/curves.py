"""Confusion matrix, ROC curve and precision-recall curve of the training data: as data, and drawn.

All of it is made in the background. The data comes first: it says all that the pictures show, which need matplotlib.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reticent.patching import Capture
from reticent_integrations.sklearn import drawing, ranking
from reticent_integrations.sklearn.metrics import coded, positive_scores
from reticent_integrations.sklearn.predictions import Predictions

MOST_POINTS = 1000
MOST_CURVES = 10
"""Of more classes, one curve each cannot be told apart."""
MOST_CLASSES = 200


def log(capture: Capture, predictions: Predictions) -> None:
    """Log what can be shown of a classifier's predictions. Called in the background."""
    shown: dict[str, tuple[Any, Any]] = {}
    classes, truth, labels = coded(predictions)
    if len(classes) <= MOST_CLASSES:
        shown["training_confusion_matrix"] = confusion(classes, truth, labels, predictions.weight), drawing.confusion
    curves = list(_curves(predictions, classes, truth))
    if curves:
        shown["training_roc_curve"] = {"curves": [one["roc"] for one in curves]}, drawing.roc
        shown["training_precision_recall_curve"] = {"curves": [one["pr"] for one in curves]}, drawing.precision_recall
    for name, (data, _) in shown.items():
        rows = {"rows": predictions.rows, "rows_in_training_data": predictions.of_rows}
        capture.log_dict({**rows, **data}, f"{name}.json")
    for name, (data, draw) in shown.items():
        capture.log_picture(draw, data, f"{name}.png")


def confusion(classes: Any, truth: Any, labels: Any, weight: Any) -> dict[str, Any]:
    """How many rows (or how much weight) of each class, by row, were predicted as each class, by column."""
    import numpy as np

    count = len(classes)
    cells = np.bincount(truth * count + labels, weight, count * count).reshape(count, count)
    return {"labels": [str(label) for label in classes.tolist()], "matrix": cells.tolist()}


def _curves(made: Predictions, classes: Any, truth: Any) -> Iterator[dict[str, Any]]:
    """The curves of two classes, or of each of several classes against the rest."""
    if made.scores is None or made.classes is None or len(made.classes) != len(classes):
        return
    if len(classes) == 2:
        yield from _curve(str(classes[1]), truth == 1, positive_scores(made), made.weight)
    elif 2 < len(classes) <= MOST_CURVES and made.scores.ndim == 2:
        for number, label in enumerate(classes.tolist()):
            yield from _curve(str(label), truth == number, made.scores[:, number], made.weight)


def _curve(label: str, positive: Any, scores: Any, weight: Any) -> Iterator[dict[str, Any]]:
    import numpy as np

    true, false, thresholds = ranking.ranked(positive, scores, weight)
    if true[-1] <= 0 or false[-1] <= 0:
        return  # one class alone has no curve
    kept = _thinned(true, false)
    precision = true / np.maximum(true + false, 1e-300)
    recall, fall_out = true / true[-1], false / false[-1]
    at = rounded(thresholds[kept])
    yield {
        "roc": {
            "label": label,
            "auc": ranking.auc(true, false),
            "threshold": ["inf", *at],
            "false_positive_rate": [0.0, *rounded(fall_out[kept])],
            "true_positive_rate": [0.0, *rounded(recall[kept])],
        },
        "pr": {
            "label": label,
            "average_precision": ranking.average_precision(true, false),
            "share_of_positives": float(true[-1] / (true[-1] + false[-1])),
            "threshold": at,
            "precision": rounded(precision[kept]),
            "recall": rounded(recall[kept]),
        },
    }


def _thinned(true: Any, false: Any) -> Any:
    """The points to keep: without those between two others on a straight line, at most `MOST_POINTS`, with both ends."""
    import numpy as np

    bends = np.flatnonzero(np.logical_or(np.diff(true, 2), np.diff(false, 2))) + 1
    kept = np.concatenate([[0], bends, [len(true) - 1]])
    return np.unique(kept[spread(len(kept))])


def spread(count: int) -> Any:
    """Which of so many points to keep: at most `MOST_POINTS`, evenly, with both ends."""
    import numpy as np

    return np.linspace(0, count - 1, min(count, MOST_POINTS)).round().astype(int)


def rounded(array: Any) -> list[float | str]:
    """Of what is infinite, as the first threshold of a curve, the name: JSON has no such number."""
    # Six digits, not six decimals: a probability may be very small.
    texts = [f"{value:.6g}" for value in array.tolist()]
    return [text if text.endswith("inf") else float(text) for text in texts]
