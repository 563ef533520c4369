"""Functions that fit an estimator many times to see how good it is: one run each, with the scores of each fold."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from reticent.patching import Call
from reticent.run import Run
from reticent_integrations.sklearn.fit import start

FUNCTIONS = (
    "cross_validate",
    "cross_val_score",
    "cross_val_predict",
    "learning_curve",
    "validation_curve",
    "permutation_test_score",
)


def evaluate(call: Call) -> Generator[None, Any, None]:
    """Around the functions of `sklearn.model_selection` that are named in `FUNCTIONS`."""
    start(call, call.get("estimator"), call.get("X"), call.get("y"))
    run, name = call.run, call.function.__name__
    run.set_tag(f"{call.prefix}evaluation", name)
    call.quiet = True

    result = yield

    with run.guard("sklearn integration (scores)"):
        _log_scores(run, call.prefix, name, call, result)


def _log_scores(run: Run, prefix: str, name: str, call: Call, result: Any) -> None:
    if name == "cross_validate":
        for key, scores in result.items():
            _log_folds(run, prefix, key, scores)
    elif name == "cross_val_score":
        _log_folds(run, prefix, "test_score", result)
    elif name == "permutation_test_score":
        run.log_metrics({f"{prefix}test_score": result[0], f"{prefix}pvalue": result[2]})
    elif name == "learning_curve":
        _log_curves(run, prefix, dict(zip(map(int, result[0]), range(len(result[0])), strict=True)), result[1:3])
    elif name == "validation_curve":
        varied = {"param_name": call.get("param_name"), "param_range": call.get("param_range")}
        run.log_params({prefix + key: value for key, value in varied.items()}, origin="explicit")
        _log_curves(run, prefix, {position: position for position in range(len(result[0]))}, result)


def _log_folds(run: Run, prefix: str, key: str, scores: Any) -> None:
    """A point for each fold, then their mean and deviation."""
    import numpy as np

    try:
        scores = np.asarray(scores, dtype=float)
    except (TypeError, ValueError):
        return  # the estimators or indices that were asked for as well
    if scores.ndim != 1:
        return
    for fold, value in enumerate(scores.tolist()):
        run.log_metric(prefix + key, value, step=fold)
    run.log_metrics({f"{prefix}mean_{key}": float(scores.mean()), f"{prefix}std_{key}": float(scores.std())})


def _log_curves(run: Run, prefix: str, steps: Mapping[int, int], curves: Any) -> None:
    """The mean over the folds at each step, of the training and of the test scores."""
    for key, scores in zip(("train_score", "test_score"), curves, strict=False):
        for step, position in steps.items():
            run.log_metric(f"{prefix}mean_{key}", float(scores[position].mean()), step=step)
