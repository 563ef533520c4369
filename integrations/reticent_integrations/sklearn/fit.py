"""A fit: its parameters and data before it, its metrics, model and pictures after it.

An estimator that only transforms data opens no run. Everything that is fitted inside an estimator belongs to its run.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

from reticent import datasets
from reticent.patching import Call, quiet
from reticent.run import Run
from reticent_integrations.sklearn import curves, later, metrics, params, search
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
    if _only_transforms(estimator):
        call.quiet = True
        yield
        return
    features, targets = _argument(call, 1, "X"), _argument(call, 2, "y")
    shown, contents = start(call, estimator, features, targets)
    run, prefix, options = call.run, call.prefix, call.options
    call.quiet = not _is_one_training(estimator)
    began, began_at = time.perf_counter(), time.time()

    yield

    fit_s = time.perf_counter() - began
    with quiet():
        # What has been read to its end, or was changed by the fit itself, cannot be predicted.
        readable = not hasattr(features, "__next__") and not params.changes_data(estimator)
        found = metrics.Evaluation()
        if options.training_metrics and readable:
            with run.guard("sklearn integration (training metrics)"), randomness_kept(estimator.get_params(deep=True)):
                found = metrics.evaluate(estimator, features, targets, call.get("sample_weight"), fit_s)
            _log_metrics(run, prefix, found)
        if params.is_search(estimator):
            with run.guard("sklearn integration (search)"):
                search.log(run, prefix, estimator, began_at, options.max_children)
        if options.log_models:
            _log_models(run, prefix, estimator, features if readable else None, found)
    with run.guard("sklearn integration (later metrics)"):
        data = later.Data("training", later.Identity(features), later.Identity(targets), contents)
        fitted = later.Fitted(run, prefix, type(estimator).__name__, data, found.info())
        fitted.write_info()
        for one in (estimator, getattr(estimator, "best_estimator_", None)):
            if one is not None:
                later.remember(one, fitted)
    _log_pictures(run, prefix, shown, found)


def start(call: Call, estimator: Any, features: Any, targets: Any) -> tuple[Any, dict[str, str]]:
    """Log what is known before a fit, so that a run whose fit fails has it too.

    Returns a copy of the estimator to be shown, and the digests of the data's contents.
    """
    call.name = type(estimator).__name__
    run, prefix = call.run, call.prefix
    shown, contents = None, {}
    with run.guard("sklearn integration (params)"):
        shown = params.sealed_copy(estimator)
        params.log(run, prefix, estimator, shown)
    kind = type(estimator)
    run.set_tags(
        {
            f"{prefix}estimator_name": kind.__name__,
            f"{prefix}estimator_class": f"{kind.__module__}.{kind.__name__}",
            "autologging": call.integration.name,
        }
    )
    if features is not None:
        with run.guard("sklearn integration (dataset)"):
            found = datasets.describe(features, targets)
            contents = found.contents
            if call.options.log_datasets:
                form = {"source": found.source, "schema": found.schema, "profile": found.profile}
                run.log_dataset("dataset", "train", digest=found.digest, **form)
    return shown, contents


def _log_metrics(run: Run, prefix: str, found: metrics.Evaluation) -> None:
    run.log_metrics({f"{prefix}training_{name}": value for name, value in found.metrics.items()})
    if found.left_out:
        run.warn("training metrics", f"{prefix}training metrics are left out: {found.left_out}")
    if found.sampled:
        run.set_tag(f"{prefix}training_metrics_rows", f"{found.rows} of {found.of_rows}")


def _log_models(run: Run, prefix: str, estimator: Any, features: Any, found: metrics.Evaluation) -> None:
    labels = None if found.predictions is None else found.predictions.labels
    data = {"signature_inputs": features, "signature_outputs": labels, "input_example": features}
    run.log_model(estimator, f"{prefix}model", **data)
    best = getattr(estimator, "best_estimator_", None)
    if best is not None and params.is_search(estimator):
        run.log_model(best, f"{prefix}best_estimator", **data)


def _log_pictures(run: Run, prefix: str, shown: Any, found: metrics.Evaluation) -> None:
    """In the background, from copies: the user may change the estimator and the data at any time from here on."""
    if shown is not None:
        run.in_background("estimator.html", lambda: _log_html(run, prefix, shown))
    made = found.predictions
    if made is not None and made.classes is not None and made.truth.ndim == made.labels.ndim == 1:
        made.features = None
        made.truth = made.truth.copy()
        made.weight = None if made.weight is None else made.weight.copy()
        run.in_background("curves of a classifier", lambda: curves.log(run, prefix, made))


def _log_html(run: Run, prefix: str, shown: Any) -> None:
    from sklearn.utils import estimator_html_repr

    run.log_text(estimator_html_repr(shown), f"{prefix}estimator.html")


def _only_transforms(estimator: Any) -> bool:
    transforms = hasattr(estimator, "transform") or hasattr(estimator, "fit_transform")
    return transforms and not any(hasattr(estimator, name) for name in _ANSWERS)


def _is_one_training(estimator: Any) -> bool:
    """Whether fitting this is one training, of a framework other than scikit-learn: then what its own integration sees
    of that, each iteration, is logged to the same run."""
    steps = getattr(estimator, "steps", None)
    if isinstance(steps, list) and steps:
        return _is_one_training(steps[-1][1])
    if type(estimator).__module__.partition(".")[0] == "sklearn" or not hasattr(estimator, "get_params"):
        return False
    return not any(hasattr(value, "fit") for value in estimator.get_params(deep=False).values())


def _argument(call: Call, position: int, name: str) -> Any:
    """An argument by its name, or by its position where an estimator calls it otherwise."""
    value = call.get(name)
    return call.args[position] if value is None and len(call.args) > position else value
