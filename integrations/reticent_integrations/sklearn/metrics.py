"""Metrics of the training data, computed right after the fit from one pass of predictions.

Computed with numpy rather than by scikit-learn's functions, which would check the same arrays again for each metric and
take a multiple of the time; the values are the same.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reticent import datasets
from reticent.guard import tried
from reticent_integrations.sklearn import ranking
from reticent_integrations.sklearn.predictions import Predictions, TooSlowError, affordable_step, predict

MOST_CLASSES_FOR_PAIRS = 20
"""Of more classes, the area under the curve of every pair takes too long."""

_WEIGHTED = "(y_true, y_pred, average='weighted', zero_division=0)"
CALLS = {
    "precision_score": f"precision_score{_WEIGHTED}",
    "recall_score": f"recall_score{_WEIGHTED}",
    "f1_score": f"f1_score{_WEIGHTED}",
    "accuracy_score": "accuracy_score(y_true, y_pred)",
    "log_loss": "log_loss(y_true, y_proba)",
    "roc_auc": "roc_auc_score(y_true, y_score, average='weighted', multi_class='ovo')",
    "mean_squared_error": "mean_squared_error(y_true, y_pred)",
    "mean_absolute_error": "mean_absolute_error(y_true, y_pred)",
    "root_mean_squared_error": "root_mean_squared_error(y_true, y_pred)",
    "r2_score": "r2_score(y_true, y_pred)",
    "score": "estimator.score(X, y)",
}
"""The calls of `sklearn.metrics` that give the same values, for the users' reading."""


class Unavailable(Exception):  # noqa: N818 - no error: why a metric has no value here
    """Why there is no such metric for this estimator or this data."""


@dataclass(slots=True)
class Evaluation:
    """Metrics by name, why others are missing, and the predictions that they came from."""

    metrics: dict[str, float] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    predictions: Predictions | None = None
    rows: int = 0
    of_rows: int = 0
    """How many rows the training data has, of which `rows` were used."""
    left_out: str = ""
    """Why there are no metrics at all, if they would have taken too long."""

    @property
    def sampled(self) -> bool:
        return self.rows < self.of_rows

    def compute(self, functions: Mapping[str, Callable[[], float]]) -> None:
        for name, function in functions.items():
            with tried() as attempt:  # one metric that fails must not take the others with it
                self.metrics[name] = float(function())
            if isinstance(attempt.error, Unavailable):
                self.missing[name] = str(attempt.error)
            elif attempt.error is not None:
                self.missing[name] = f"{type(attempt.error).__name__}: {attempt.error}"

    def info(self) -> dict[str, Any]:
        """What `metric_info.json` says: how each value was computed, of how many rows, and what there is not."""
        info: dict[str, Any] = {f"training_{name}": CALLS[name] for name in self.metrics}
        if self.missing:
            info["not computed"] = {f"training_{name}": reason for name, reason in self.missing.items()}
        if self.of_rows:
            info["rows"] = {"used": self.rows, "in training data": self.of_rows}
        if self.predictions is not None and self.predictions.weight is not None:
            info["sample_weight"] = "as given to fit"
        return info


def evaluate(estimator: Any, features: Any, targets: Any, weight: Any, fit_s: float) -> Evaluation:
    """The metrics of an estimator that was fitted to this data within `fit_s` seconds."""
    found = Evaluation()
    try:
        _evaluate(found, estimator, features, targets, weight, fit_s)
    except TooSlowError as reason:
        found.left_out = str(reason)
    except ValueError as error:
        if "read-only" not in str(error):
            raise
        found.left_out = "the estimator works in place on the data that it predicts"
    return found


def _evaluate(found: Evaluation, estimator: Any, features: Any, targets: Any, weight: Any, fit_s: float) -> None:
    from sklearn.base import is_classifier, is_regressor

    classifier = bool(is_classifier(estimator))
    if targets is None or not hasattr(estimator, "predict") or not (classifier or is_regressor(estimator)):
        if hasattr(estimator, "score"):
            _score_alone(found, estimator, features, targets, fit_s)
        return
    made = found.predictions = predict(estimator, classifier, features, targets, weight, fit_s)
    found.rows, found.of_rows = made.rows, made.of_rows
    if not classifier:
        found.compute(_regression(made))
    elif made.truth.ndim == 1 and made.labels.ndim == 1:
        found.compute(_classification(made))
    else:
        found.compute(_multilabel(made))
    equal = found.metrics.get("accuracy_score" if classifier else "r2_score")
    if equal is not None and _score_is_standard(estimator):
        found.metrics["score"] = equal
    elif hasattr(estimator, "score"):
        found.compute({"score": lambda: _score(estimator, made.features, made.truth, made.weight)})


def _score_alone(found: Evaluation, estimator: Any, features: Any, targets: Any, fit_s: float) -> None:
    """The score of an estimator that is neither classifier nor regressor: a clustering, a density."""
    found.rows = found.of_rows = datasets.rows(features) or 0
    if targets is None:
        step = affordable_step(estimator, estimator.score, features, fit_s)
        features = datasets.take(features, step)
        found.rows = math.ceil(found.of_rows / step)
    found.compute({"score": lambda: _score(estimator, features, targets, None)})


def coded(predictions: Predictions) -> tuple[Any, Any, Any]:
    """The classes, and true and predicted labels as their numbers."""
    import numpy as np

    classes = predictions.classes
    if classes is not None:
        numbers = [np.searchsorted(classes, labels) for labels in (predictions.truth, predictions.labels)]
        both = zip(numbers, (predictions.truth, predictions.labels), strict=True)
        if all((classes.take(one, mode="clip") == labels).all() for one, labels in both):
            return classes, numbers[0], numbers[1]
    classes, codes = np.unique(np.concatenate([predictions.truth, predictions.labels]), return_inverse=True)
    codes = codes.reshape(-1)
    return classes, codes[: predictions.rows], codes[predictions.rows :]


def _classification(made: Predictions) -> dict[str, Callable[[], float]]:
    import numpy as np

    classes, truth, labels = coded(made)
    count = len(classes)
    right = truth == labels
    weight = np.ones(made.rows) if made.weight is None else made.weight
    hits = np.bincount(truth[right], weight[right], count)
    actual = np.bincount(truth, weight, count)
    predicted = np.bincount(labels, weight, count)

    def mean(counts: Any, out_of: Any) -> float:
        ratios = np.divide(counts, out_of, out=np.zeros(count), where=out_of > 0)
        return float(ratios @ actual) / float(actual.sum())

    functions = {
        "precision_score": lambda: mean(hits, predicted),
        "recall_score": lambda: mean(hits, actual),
        "f1_score": lambda: mean(2 * hits, actual + predicted),
        "accuracy_score": lambda: float(hits.sum()) / float(actual.sum()),
    }
    functions["log_loss"] = lambda: _log_loss(made, classes, truth)
    functions["roc_auc"] = lambda: _roc_auc(made, classes, truth)
    return functions


def _log_loss(made: Predictions, classes: Any, truth: Any) -> float:
    import numpy as np

    if made.scores is None or made.scores.ndim != 2:
        raise Unavailable(made.unscored)
    _check_classes(made, classes)
    given = made.scores[np.arange(made.rows), truth]
    smallest = np.finfo(given.dtype).eps
    return float(np.average(-np.log(np.clip(given, smallest, 1 - smallest)), weights=made.weight))


def _roc_auc(made: Predictions, classes: Any, truth: Any) -> float:
    if made.scores is None:
        raise Unavailable(made.unscored)
    _check_classes(made, classes)
    if len(set(truth.tolist())) < 2:
        raise Unavailable("there is only one class in the data")
    if len(classes) > 2:
        if made.scores.ndim != 2:
            raise Unavailable(made.unscored)
        if len(classes) > MOST_CLASSES_FOR_PAIRS:
            raise Unavailable(f"there are more than {MOST_CLASSES_FOR_PAIRS} classes")
        if made.weight is not None:
            raise Unavailable("for several classes it is not defined with sample weights")
        return ranking.pairwise_auc(truth, made.scores)
    true, false, _ = ranking.ranked(truth == 1, positive_scores(made), made.weight)
    return ranking.auc(true, false)


def positive_scores(made: Predictions) -> Any:
    """Of two classes, the scores of the second."""
    return made.scores if made.scores.ndim == 1 else made.scores[:, 1]


def _check_classes(made: Predictions, classes: Any) -> None:
    wanted = 2 if made.scores.ndim == 1 else made.scores.shape[1]
    if made.classes is None or len(classes) != wanted or len(made.classes) != wanted:
        raise Unavailable("the labels are not the classes that the estimator gives scores for")


def _multilabel(made: Predictions) -> dict[str, Callable[[], float]]:
    """For several labels a row: scikit-learn's own functions, for the rare case."""
    from sklearn import metrics

    def unavailable() -> float:
        raise Unavailable("there are several outputs")

    def call(function: Callable[..., float], **options: Any) -> Callable[[], float]:
        return lambda: function(made.truth, made.labels, sample_weight=made.weight, **options)

    options = {"average": "weighted", "zero_division": 0}
    return {
        "precision_score": call(metrics.precision_score, **options),
        "recall_score": call(metrics.recall_score, **options),
        "f1_score": call(metrics.f1_score, **options),
        "accuracy_score": call(metrics.accuracy_score),
        "log_loss": unavailable,
        "roc_auc": unavailable,
    }


def _regression(made: Predictions) -> dict[str, Callable[[], float]]:
    import numpy as np

    truth = made.truth.reshape(made.rows, -1).astype(float)
    error = truth - made.labels.reshape(made.rows, -1)
    weight = made.weight
    squared = np.average(error**2, axis=0, weights=weight)

    def r2() -> float:
        if made.rows < 2:
            raise Unavailable("it is not defined for less than two rows")
        spread = np.average((truth - np.average(truth, axis=0, weights=weight)) ** 2, axis=0, weights=weight)
        # Of an output that is constant: 1 if it is met exactly, else 0.
        constant = np.where(squared == 0, 1.0, 0.0)
        return float(np.mean(1 - np.divide(squared, spread, out=1 - constant, where=spread != 0)))

    return {
        "mean_squared_error": lambda: float(np.mean(squared)),
        "mean_absolute_error": lambda: float(np.mean(np.average(np.abs(error), axis=0, weights=weight))),
        "root_mean_squared_error": lambda: float(np.mean(np.sqrt(squared))),
        "r2_score": r2,
    }


def _score_is_standard(estimator: Any) -> bool:
    """Whether `score` is accuracy for a classifier and R2 for a regressor, by definition of its class."""
    from sklearn.base import ClassifierMixin, RegressorMixin

    best = getattr(estimator, "best_estimator_", None)
    if best is not None:
        # Of a search; the `scoring` of others, as of gradient boosting, is for their early stopping.
        return getattr(estimator, "scoring", None) is None and _score_is_standard(best)
    steps = getattr(estimator, "steps", None)
    if isinstance(steps, list) and steps:
        return _score_is_standard(steps[-1][1])
    own = getattr(type(estimator), "score", None)
    return own in (ClassifierMixin.score, RegressorMixin.score)


def _score(estimator: Any, features: Any, targets: Any, weight: Any) -> float:
    given = [features] if targets is None else [features, targets]
    options = {}
    if weight is not None and "sample_weight" in inspect.signature(estimator.score).parameters:
        options["sample_weight"] = weight
    return float(estimator.score(*given, **options))
