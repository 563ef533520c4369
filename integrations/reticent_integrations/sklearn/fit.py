"""A fit: its parameters and data before it, its metrics, model and pictures after it.

An estimator that only transforms data opens no run. Everything that is fitted inside an estimator belongs to its run.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from reticent import datasets
from reticent.patching import Call, Capture, quiet
from reticent_integrations.sklearn import (
    curves,
    evaluated,
    importances,
    iterations,
    later,
    metrics,
    params,
    search,
    training,
)
from reticent_integrations.sklearn.counters import counters_kept
from reticent_integrations.sklearn.predictions import randomness_kept

_ANSWERS = ("predict", "score", "fit_predict", "predict_proba", "decision_function", "score_samples")
"""An estimator that has one of these is trained for what it says of data, not only to transform it."""

_OTHERS_TRAIN = ("lightgbm.dask", "xgboost.dask")
"""Where the estimators are that have the workers of a cluster train, on data that is not here."""


def fit(call: Call) -> Generator[None, Any, None]:
    """Around `fit`, `fit_predict` and `fit_transform` of every estimator."""
    estimator = call.instance
    if not hasattr(estimator, "get_params"):  # another class that has its `fit` from the same mixin
        yield
        return
    if any(base.__module__.startswith(_OTHERS_TRAIN) for base in type(estimator).__mro__):
        yield
        return
    if only_transforms(estimator) or call.inner:  # in another framework's training it is a part of that
        call.quiet = True
        yield
        return
    features, targets = argument(call, 1, "X"), argument(call, 2, "y")
    shown, contents = start(call, estimator, features, targets)
    capture = call.capture
    training.end(estimator)
    call.quiet = not _is_one_training(estimator)

    with search.watched(capture, estimator) as children, capture.phase("fit") as phase:
        returned = yield
        phase.samples = datasets.rows(features) or 0

    with quiet():
        # What has been read to its end, or was changed by the fit itself, cannot be predicted.
        readable = not _is_stream(features) and not params.changes_data(estimator)
        found = metrics.Evaluation()
        if call.options.training_metrics and readable:
            random = randomness_kept(estimator.get_params(deep=True))
            with capture.guard("training metrics"), random, counters_kept(estimator):
                told = datasets.untouchable(features)
                found = metrics.evaluate(estimator, told, targets, call.get("sample_weight"), phase.seconds)
            _log_metrics(capture, found)
        if children is not None:
            with capture.guard("search"):
                search.log(capture, estimator, children)
        with capture.guard("iterations"):
            iterations.log(capture, params.final(estimator))
        with capture.guard("feature importances"):
            importances.log(capture, estimator)
        _log_models(capture, estimator, features if readable else None, found)
    with capture.guard("later metrics"):
        data = later.Data("training", later.Identity(features), later.Identity(targets), contents)
        fitted = later.Fitted(capture, type(estimator).__name__, data, found.info())
        for told in evaluated.sets(call, estimator):
            fitted.know(*told)
        fitted.write_info()
        for one in (estimator, getattr(estimator, "best_estimator_", None)):
            if one is not None:
                later.remember(one, fitted)
        labels = returned if call.function.__name__ == "fit_predict" else None
        later.remember_labels(fitted, later.Identity(features), labels, getattr(estimator, "labels_", None))
    _log_pictures(capture, shown, found)


def start(call: Call, estimator: Any, features: Any, targets: Any) -> tuple[Any, dict[str, str]]:
    """Log what is known before a fit, so that a run whose fit fails has it too.

    Returns a copy of the estimator to be shown, and the digests of the data's contents.
    """
    kind = type(estimator)
    call.name = kind.__name__
    capture = call.capture
    shown, contents = None, {}
    with capture.guard("params"):
        shown = params.sealed_copy(estimator)
        params.log(capture, estimator, shown)
    capture.set_tags({"estimator_name": kind.__name__, "estimator_class": f"{kind.__module__}.{kind.__name__}"})
    if features is not None:
        with capture.guard("dataset"):
            found = datasets.describe(features, targets)
            contents = found.contents
            capture.log_dataset("dataset", "train", found)
    return shown, contents


def log_html(capture: Capture, shown: Any) -> None:
    """Log how a notebook shows the estimator, made in the background."""

    def log() -> None:
        from sklearn.utils import estimator_html_repr

        capture.log_text(estimator_html_repr(shown), "estimator.html")

    if shown is not None:
        capture.in_background("estimator.html", log)


def only_transforms(estimator: Any) -> bool:
    transforms = hasattr(estimator, "transform") or hasattr(estimator, "fit_transform")
    return transforms and not any(hasattr(estimator, name) for name in _ANSWERS)


def argument(call: Call, position: int, name: str) -> Any:
    """An argument by its name, or by its position where an estimator calls it otherwise."""
    value = call.get(name)
    return call.args[position] if value is None and len(call.args) > position else value


def _is_stream(features: Any) -> bool:
    """Whether data can only be read from its start to its end, as a generator, or texts that are read from files anew."""
    return hasattr(features, "__iter__") and datasets.rows(features) is None and not hasattr(features, "__len__")


def _log_metrics(capture: Capture, found: metrics.Evaluation) -> None:
    capture.log_metrics({f"training_{name}": value for name, value in found.metrics.items()})
    if found.left_out:
        capture.warn("training metrics", f"{capture.prefix}training metrics are left out: {found.left_out}")
    if found.sampled:
        capture.set_tags({"training_metrics_rows": f"{found.rows} of {found.of_rows}"})


def _log_models(capture: Capture, estimator: Any, features: Any, found: metrics.Evaluation) -> None:
    labels = None
    if found.predictions is not None:
        labels = found.predictions.labels
        if features is not None and found.sampled:  # the labels are those of these rows, not of the first ones
            features = found.predictions.features
    data = {"signature_inputs": features, "signature_outputs": labels, "input_example": features}
    capture.log_model(estimator, **data)
    best = getattr(estimator, "best_estimator_", None)
    if best is not None and params.is_search(estimator):
        capture.log_model(best, "best_estimator", **data)


def _log_pictures(capture: Capture, shown: Any, found: metrics.Evaluation) -> None:
    """In the background, from copies: the user may change the estimator and the data at any time from here on."""
    log_html(capture, shown)
    made = found.predictions
    if made is not None and made.classes is not None and made.truth.ndim == made.labels.ndim == 1:
        made.features = None
        made.truth = made.truth.copy()
        made.weight = None if made.weight is None else made.weight.copy()
        capture.in_background("curves of a classifier", lambda: curves.log(capture, made))


def _is_one_training(estimator: Any) -> bool:
    """Whether fitting this is one training, of a framework other than scikit-learn: then what its own integration sees
    of that, each iteration, is logged to the same run."""
    steps = getattr(estimator, "steps", None)
    if isinstance(steps, list) and steps:
        return _is_one_training(steps[-1][1])
    if type(estimator).__module__.partition(".")[0] == "sklearn" or not hasattr(estimator, "get_params"):
        return False
    return not any(hasattr(value, "fit") for value in estimator.get_params(deep=False).values())
