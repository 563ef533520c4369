"""The data that a fit was told to judge itself by, as the estimators of XGBoost, LightGBM and CatBoost take it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reticent.patching import Call
from reticent_integrations.sklearn import params


def sets(call: Call, estimator: Any) -> list[tuple[str, Any, Any]]:
    """The name of each after the fit, as in the metrics of the iterations, its features and its targets."""
    pairs = _pairs(call.given())
    if not pairs:
        return []
    results = getattr(params.final(estimator), "evals_result_", None) or {}
    names = [name for name in results if name != "learn"]  # what CatBoost calls the training data
    if len(names) != len(pairs):
        return []
    return [(name, features, targets) for name, (features, targets) in zip(names, pairs, strict=True)]


def _pairs(given: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    """From `eval_set`, or LightGBM's `eval_X` and `eval_y`; for the step of a pipeline, `classifier__eval_set`."""
    told = {name.rpartition("__")[2]: value for name, value in given.items()}
    pairs = told.get("eval_set")
    if pairs is None and told.get("eval_X") is not None:
        features, targets = told["eval_X"], told.get("eval_y")
        pairs = [(features, targets)]
        if isinstance(features, tuple) and isinstance(targets, tuple):
            pairs = list(zip(features, targets, strict=False))
    if isinstance(pairs, tuple) and pairs and not isinstance(pairs[0], (tuple, list)):
        pairs = [pairs]
    if not isinstance(pairs, (list, tuple)):
        return []
    return [tuple(pair) for pair in pairs if isinstance(pair, (list, tuple)) and len(pair) == 2]
