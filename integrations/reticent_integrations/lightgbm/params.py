"""What the training was told: the booster's params, by the aliases that the user chose, and the function's arguments."""

from __future__ import annotations

from typing import Any

from reticent.patching import Call

_NO_PARAMS = {
    *("params", "train_set", "valid_sets", "valid_names", "callbacks"),
    *("feval", "init_model", "folds", "fpreproc", "return_cvbooster"),
}
"""Arguments that are data, results or code."""


def log(call: Call, callback: Any) -> None:
    """`callback` stops the training early, if the user gave one."""
    given = {name: value for name, value in call.given().items() if name not in _NO_PARAMS}
    # Named where they are given: MLflow's autologging, whose names these are, never has them.
    named = {name: call.get(name) for name in ("feval", "folds", "fpreproc", "init_model")}
    given |= {name: value for name, value in named.items() if value is not None}
    defaults = {name: value for name, value in call.defaults().items() if name not in _NO_PARAMS}
    told = _of_callback(callback) if callback is not None else {}
    explicit = {**told, **(call.get("params") or {}), **given}
    call.capture.log_params(explicit, "explicit")
    call.capture.log_params({name: value for name, value in defaults.items() if name not in explicit}, "default")


def _of_callback(callback: Any) -> dict[str, Any]:
    """What a callback was told, by the names that LightGBM's params have for it."""
    return {
        "early_stopping_round": callback.stopping_rounds,
        "first_metric_only": callback.first_metric_only,
        "early_stopping_min_delta": callback.min_delta,
    }


def callbacks(call: Call) -> list[Any]:
    """The user's; LightGBM takes them from what has a length, and refuses the rest itself."""
    value = call.get("callbacks")
    return list(value) if hasattr(value, "__len__") else []


def watch(call: Call, observer: Any) -> None:
    """Have the observer called. Before the user's callbacks: those without an order are ordered by their place from the
    end."""
    if call.get("callbacks") is None or hasattr(call.get("callbacks"), "__len__"):
        call.set("callbacks", [observer, *callbacks(call)])


def evaluated(call: Call) -> list[tuple[Any, str]]:
    """The data that is evaluated, by the names that LightGBM gives it."""
    sets, names = call.get("valid_sets"), call.get("valid_names")
    if sets is None:
        return []
    if hasattr(sets, "get_label"):  # a data set of its own
        sets = [sets]
    elif not hasattr(sets, "__len__"):  # it can be read once
        sets = list(sets)
        call.set("valid_sets", sets)
    names = [names] if isinstance(names, str) else list(names or ())
    return [(data, names[i] if i < len(names) else f"valid_{i}") for i, data in enumerate(sets)]
