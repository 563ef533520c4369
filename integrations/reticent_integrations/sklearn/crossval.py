"""Functions that fit an estimator many times to see how good it is: one run each, with the scores of each fold."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from reticent import datasets
from reticent.patching import Call, Capture
from reticent_integrations.sklearn import later
from reticent_integrations.sklearn.fit import start


def evaluate(call: Call) -> Generator[None, Any, None]:
    """Around the functions of `sklearn.model_selection` that cross-validate."""
    if call.inner:  # in another framework's training it is a part of that
        call.quiet = True
        yield
        return
    features, targets = call.get("X"), call.get("y")
    _, contents = start(call, call.get("estimator"), features, targets)
    capture, name = call.capture, call.function.__name__
    capture.set_tags({"evaluation": name})
    call.quiet = True

    with capture.phase("fit") as phase:
        result = yield

        if name in ("cross_validate", "cross_val_score"):  # each fold learns from a part, and is asked about the rest
            scores = result["fit_time"] if isinstance(result, dict) else result
            phase.samples = (datasets.rows(features) or 0) * len(scores)
    with capture.guard("arguments"):
        _log_arguments(call)
    with capture.guard("scores"):
        _log_scores(capture, name, call, result)
    if name == "cross_val_predict":
        with capture.guard("later metrics"):
            # Not called training data: each row was predicted by an estimator that had not seen it.
            data = later.Data(name, later.Identity(features), later.Identity(targets), contents)
            fitted = later.Fitted(capture, name, data, {})
            later.remember_labels(fitted, data.features, result)


def _log_arguments(call: Call) -> None:
    """The arguments of the function, beside the estimator's own params, with the function's name before them."""
    name = call.function.__name__
    data = {"estimator", "X", "y", "groups", "fit_params", "params", "param_name", "param_range"}
    for values, origin in ((call.given(), "explicit"), (call.defaults(), "default")):
        told = {f"{name}__{key}": value for key, value in values.items() if key not in data}
        call.capture.log_params(told, origin)  # type: ignore[arg-type] # the two are origins


def _log_scores(capture: Capture, name: str, call: Call, result: Any) -> None:
    if name == "cross_validate":
        _log_folds(capture, name, result)
    elif name == "cross_val_score":
        _log_folds(capture, name, {"test_score": result})
    elif name == "permutation_test_score":
        capture.log_metrics({"test_score": result[0], "pvalue": result[2]})
        capture.log_dict({"permutation_scores": result[1].tolist()}, f"{name}.json")
    elif name == "learning_curve":
        steps = [int(size) for size in result[0]]
        _log_curves(capture, name, {"train_sizes": steps}, steps, result[1:])
    elif name == "validation_curve":
        varied = {"param_name": call.get("param_name"), "param_range": call.get("param_range")}
        capture.log_params(varied, "explicit")
        _log_curves(capture, name, varied, range(len(result[0])), result)


def _log_folds(capture: Capture, function: str, results: Mapping[str, Any]) -> None:
    """A point for each fold, then their mean and deviation; and all folds as a table."""
    columns = {
        key: scores for key, scores in ((key, _numbers(value)) for key, value in results.items()) if scores is not None
    }
    for key, scores in columns.items():
        for fold, value in enumerate(scores.tolist()):
            capture.log_metric(key, value, step=fold)
        capture.log_metrics({f"mean_{key}": float(scores.mean()), f"std_{key}": float(scores.std())})
    rows = zip(*(scores.tolist() for scores in columns.values()), strict=True)
    table = [{"fold": fold, **dict(zip(columns, row, strict=True))} for fold, row in enumerate(rows)]
    capture.log_dict(table, f"{function}.json")


def _numbers(scores: Any) -> Any:
    """One number for each fold; None if these are the estimators or indices that were asked for as well."""
    import numpy as np

    try:
        array = np.asarray(scores, dtype=float)
    except (TypeError, ValueError):
        return None
    return array if array.ndim == 1 else None


def _log_curves(capture: Capture, function: str, varied: Mapping[str, Any], steps: Any, curves: Any) -> None:
    """The mean over the folds at each step, of the training and of the test scores; and the scores of each fold."""
    named = dict(zip(("train_score", "test_score", "fit_time", "score_time"), curves, strict=False))
    for key, scores in named.items():
        for step, folds in zip(steps, scores, strict=True):
            capture.log_metric(f"mean_{key}", float(folds.mean()), step=step)
    capture.log_dict({**varied, **{key: scores.tolist() for key, scores in named.items()}}, f"{function}.json")
