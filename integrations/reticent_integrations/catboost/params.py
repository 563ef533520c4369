"""What the training was told, under the names that the user used, and what CatBoost took or chose where it was not told."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from reticent.patching import Call

_SYNONYMS = {
    "eta": "learning_rate",
    "max_bin": "border_count",
    "max_depth": "depth",
    "colsample_bylevel": "rsm",
    "random_state": "random_seed",
    "reg_lambda": "l2_leaf_reg",
    "n_estimators": "iterations",
    "num_boost_round": "iterations",
    "num_trees": "iterations",
    "early_stopping_rounds": "od_wait",
    "custom_loss": "custom_metric",
    "num_leaves": "max_leaves",
    "min_child_samples": "min_data_in_leaf",
    "objective": "loss_function",
    "scale_pos_weight": "class_weights",
}
_DEFAULT_ITERATIONS = 1000

_CHOSEN = frozenset(
    (
        "auto_class_weights",
        "boost_from_average",
        "boosting_type",
        "bootstrap_type",
        "class_names",
        "classes_count",
        "eval_metric",
        "leaf_estimation_backtracking",
        "leaf_estimation_iterations",
        "leaf_estimation_method",
        "learning_rate",
        "loss_function",
        "max_leaves",
        "nan_mode",
        "od_pval",
        "od_type",
        "od_wait",
        "random_score_type",
        "sampling_frequency",
        "score_function",
        "subsample",
        "use_best_model",
    )
)
"""What CatBoost chooses by the data, or by other params, where it is not told."""

_NO_PARAMS = frozenset(
    (
        "X",
        "y",
        "pairs",
        "graph",
        "sample_weight",
        "group_id",
        "group_weight",
        "subgroup_id",
        "pairs_weight",
        "baseline",
        "eval_set",
        "callbacks",
        "init_model",
        "log_cout",
        "log_cerr",
        "plot",
        "plot_file",
        "pool",
        "params",
        "dtrain",
        "folds",
    )
)
"""Arguments that are data, models, code or places to print to."""

_NO_FOUND = frozenset({"pool_metainfo_options"})


def told(call: Call) -> dict[str, Any]:
    """The params of the estimator, and the arguments of its fit; those that are None are not told."""
    # Not `get_params()`: it makes deep copies of the user's metrics and objectives.
    explicit = {**getattr(call.instance, "_init_params", {}), **arguments(call)}
    if call.get("init_model") is not None:
        explicit["init_model"] = type(call.get("init_model")).__name__
    return explicit


def as_constructed(call: Call) -> set[str]:
    """The params that have a value which the constructor gives them: a regressor's loss is RMSE, whoever says so."""
    given, kind = getattr(call.instance, "_init_params", {}), type(call.instance)
    constructor = inspect.signature(kind.__init__).parameters
    defaults = {name: one.default for name, one in constructor.items() if type(one.default) is str}
    return {name for name, value in given.items() if type(value) is str and defaults.get(name) == value} - {
        *arguments(call)
    }


def arguments(call: Call) -> dict[str, Any]:
    """The arguments that are params, as far as they are given."""
    return {name: value for name, value in call.given().items() if name not in _NO_PARAMS and value is not None}


def chosen(explicit: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """Of what a trained model says of its params, what CatBoost chose."""
    return {name: value for name, value in _untold(explicit, found).items() if name in _CHOSEN}


def defaults(explicit: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in _untold(explicit, found).items() if name not in _CHOSEN}


def _untold(explicit: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    known = {canonical(name) for name in explicit} | _NO_FOUND
    return {name: value for name, value in found.items() if name not in known}


def canonical(name: str) -> str:
    """CatBoost's own name of a param that has several."""
    return _SYNONYMS.get(name, name)


def value(explicit: Mapping[str, Any], name: str, default: Any = None) -> Any:
    """A param that was told by whatever name."""
    return next((given for known, given in explicit.items() if canonical(known) == name), default)


def iterations(explicit: Mapping[str, Any]) -> int:
    return int(value(explicit, "iterations", _DEFAULT_ITERATIONS))
