"""Searches of CatBoost's estimators, over params (`grid_search`, `randomized_search`) and over features (`select_features`),
with the fit at their end."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from reticent.patching import Call, quiet
from reticent_integrations.catboost import crossval, data, params
from reticent_integrations.catboost.fit import log_results
from reticent_integrations.catboost.history import History


def search(call: Call) -> Generator[None, Any, None]:
    """Around a search: one run, with the params that it found, their cross-validation and the model fitted with them."""
    capture = call.capture
    told = _start(call)

    with capture.phase("fit"):
        result = yield

    best: Mapping[str, Any] = {}
    with capture.guard("search"):
        best = result["params"]
        capture.log_params({f"best_{name}": value for name, value in best.items()}, "derived")
        if result.get("cv_results"):
            crossval.log(capture, result["cv_results"], {**told, **best, "loss_function": _loss(call.instance)})
    if call.get("refit"):
        with quiet():
            _log_refit(call, {**told, **best})


def select(call: Call) -> Generator[None, Any, None]:
    """Around `select_features`: one run, with what it selected, and the model that was fitted to that."""
    capture = call.capture
    told = _start(call)

    with capture.phase("fit"):
        result = yield

    with capture.guard("selection"):
        capture.log_dict(result, "feature_selection.json")
    if call.get("train_final_model"):
        with quiet():
            _log_refit(call, told)


def _start(call: Call) -> dict[str, Any]:
    """Log what is known before a search, and give what it was told."""
    call.name = f"{type(call.instance).__name__}.{call.function.__name__}"
    capture = call.capture
    told = params.told(call)
    if not call.inner:
        with capture.guard("params"):
            capture.log_params(told, "explicit")
    with capture.guard("datasets"):
        data.log(call)
    return told


def _log_refit(call: Call, told: Mapping[str, Any]) -> None:
    found: dict[str, Any] = {}
    with call.capture.guard("metrics"):
        found = call.instance.get_all_params()
        History(call.capture).complete(call.instance.evals_result_, 1, None)
    log_results(call, told, found, called_back=False)


def _loss(estimator: Any) -> Any:
    """What is trained for; None before there is a model."""
    return estimator.get_all_params()["loss_function"] if estimator.is_fitted() else None
