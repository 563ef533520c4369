"""A fit: its params and data before it, its metrics while it trains, what came of it after it."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import nullcontext
from typing import Any

from reticent.patching import Call, quiet
from reticent_integrations import importances as charted
from reticent_integrations.catboost import data, early_stopping, model, params, snapshots
from reticent_integrations.catboost.history import History, forget_observer, observed
from reticent_integrations.catboost.training_log import TrainingLog


def fit(call: Call) -> Generator[None, Any, None]:
    """Around `fit` of CatBoost's estimators."""
    estimator = call.instance
    call.name = type(estimator).__name__
    capture = call.capture
    history = History(capture)
    told = params.told(call)
    if not call.inner:
        with capture.guard("params"):
            default = params.as_constructed(call)
            capture.log_params({name: value for name, value in told.items() if name not in default}, "explicit")
            capture.log_params({name: told[name] for name in default}, "default")
    contents: Mapping[str, str] = {}
    with capture.guard("datasets"):
        contents = data.log(call)
    called_back, none_given = bool(call.get("callbacks")), call.get("callbacks") is None
    watched = observed(call, told, history)
    followed = nullcontext() if watched else TrainingLog(capture, history, told)

    found: dict[str, Any] = {}
    with capture.phase("fit") as phase:
        try:
            with followed:
                yield
            if watched and none_given:
                with capture.guard("the model's own params"):
                    forget_observer(estimator)
            with capture.guard("metrics"):
                found = estimator.get_all_params()
                history.complete(estimator.evals_result_, params.value(told, "metric_period", 1), _iterations(found))
        finally:
            with capture.guard("samples"):
                phase.samples = data.rows(call.get("X")) * (history.last_step + 1)
            with capture.guard("checkpoints"):
                snapshots.log(capture, told, history.last_step)

    with quiet():
        log_results(call, told, found, called_back)
    if not call.inner:
        from reticent_integrations.sklearn import later

        fitted = later.remember_other(estimator, capture, call.get("X"), call.get("y"), contents)
        with capture.guard("later metrics"):
            for one in data.named(call.get("eval_set")):
                fitted.know(*one)


def log_results(call: Call, told: Mapping[str, Any], found: Mapping[str, Any], called_back: bool) -> None:
    """What a trained estimator tells; `found` are its params."""
    estimator, capture = call.instance, call.capture
    with capture.guard("params"):
        capture.log_params(params.chosen(told, found), "derived")
        if not call.inner:
            capture.log_params(params.defaults(told, found), "default")
    with capture.guard("best metrics"):
        capture.log_metrics(model.scores(estimator))
    with capture.guard("early stopping"):
        early_stopping.log(capture, estimator, found, called_back)
    with capture.guard("feature importances"):
        charted.log(capture, model.importances(estimator))
    if not call.inner:
        with capture.guard("model"):
            from reticent_integrations.catboost.flavor import flavor

            capture.log_model(estimator, flavor=flavor, **model.example(estimator, call.get("X")))


def _iterations(found: Mapping[str, Any]) -> int | None:
    """How many were trained; None: that depended on a metric."""
    return None if "od_type" in found else int(found["iterations"])
