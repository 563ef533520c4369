"""What the training was told: the booster's params, and the arguments of `xgboost.train` or `xgboost.cv`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reticent.patching import Call
from reticent_integrations.xgboost.early_stopping import Stopping

_NO_PARAMS = {"params", "dtrain", "evals", "evals_result", "xgb_model", "callbacks", "obj", "folds", "fpreproc"}
"""Arguments that are data, results or code."""


def log(call: Call, stopping: Stopping | None) -> None:
    given = {name: value for name, value in call.given().items() if name not in _NO_PARAMS}
    # Named where they are given: MLflow's autologging, whose names these are, never has them.
    given |= {name: call.get(name) for name in ("obj", "folds", "fpreproc") if call.get(name) is not None}
    defaults = {name: value for name, value in call.defaults().items() if name not in _NO_PARAMS}
    if stopping is not None:  # from a callback, the argument was left out
        defaults.pop("early_stopping_rounds", None)
        given["early_stopping_rounds"] = stopping.rounds
    explicit = {**_booster_params(call.get("params")), **given}
    call.capture.log_params(explicit, "explicit")
    call.capture.log_params({name: value for name, value in defaults.items() if name not in explicit}, "default")


def listed(call: Call, name: str) -> list[Any]:
    """A list argument; from an iterator, which can be read once, XGBoost then gets the same list."""
    value = call.get(name)
    items = [] if value is None else list(value)
    if value is not None and not isinstance(value, (list, tuple)):
        call.set(name, items)
    return items


def _booster_params(params: Any) -> dict[str, Any]:
    """The user's params; XGBoost takes pairs too, with a key for each of several metrics."""
    if params is None or isinstance(params, Mapping):
        return dict(params or {})
    collected: dict[str, list[Any]] = {}
    for key, value in params:
        collected.setdefault(key, []).append(value)
    return {key: values[0] if len(values) == 1 else values for key, values in collected.items()}
