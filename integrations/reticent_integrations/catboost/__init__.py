"""CatBoost: the fit of its estimators, called by the user, by `catboost.train` or by scikit-learn, and `catboost.cv`.

Captured are the params with what CatBoost chose itself, the metrics of each iteration, early stopping, the data sets,
importances and the model. Inside a fit that another integration captures, it adds what only CatBoost knows.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import nullcontext
from typing import Any

from reticent.patching import Call, Integration, Options, Patch, quiet
from reticent.patching.options import Positive
from reticent_integrations import importances as charted
from reticent_integrations.catboost import data, early_stopping, model, params, snapshots
from reticent_integrations.catboost.cv import cv
from reticent_integrations.catboost.flavor import flavor
from reticent_integrations.catboost.history import History, observed
from reticent_integrations.catboost.training_log import TrainingLog


class CatBoostOptions(Options, frozen=True, forbid_unknown_fields=True, kw_only=True):
    callback_iterations: Positive = 100
    """Up to how many iterations metrics are logged by a callback. For each iteration CatBoost hands it all metrics from
    the first one on, which adds seconds to 1000 iterations: of longer trainings its own training log is followed."""


def fit(call: Call) -> Generator[None, Any, None]:
    """Around `fit` of CatBoost's estimators."""
    estimator = call.instance
    call.name = type(estimator).__name__
    capture = call.capture
    history = History(capture)
    told = params.told(call)
    if not call.inner:
        with capture.guard("params"):
            capture.log_params(told, "explicit")
    with capture.guard("datasets"):
        data.log(call)
    called_back = bool(call.get("callbacks"))
    followed = nullcontext() if observed(call, told, history) else TrainingLog(capture, history, told)

    found: dict[str, Any] = {}

    with capture.phase("fit") as phase:
        try:
            with followed:
                yield
            with capture.guard("metrics"):
                found = estimator.get_all_params()
                history.complete(estimator.evals_result_, params.value(told, "metric_period", 1), _iterations(found))
        finally:
            phase.samples = data.rows(call.get("X")) * (history.last_step + 1)
            with capture.guard("checkpoints"):
                snapshots.log(capture, told, history.last_step)

    with quiet():
        _log_results(call, told, found, called_back)


def _iterations(found: Mapping[str, Any]) -> int | None:
    """How many were trained; None: that depended on a metric."""
    return None if "od_type" in found else int(found["iterations"])


def _log_results(call: Call, told: Mapping[str, Any], found: Mapping[str, Any], called_back: bool) -> None:
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
            capture.log_model(estimator, flavor=flavor, **model.example(estimator, call.get("X")))


# Its own classes, not those derived from them: a user's `fit` need not take callbacks, and calls one of these.
_CLASSES = ("CatBoost", "CatBoostClassifier", "CatBoostRegressor", "CatBoostRanker")

integration = Integration(
    "catboost",
    module="catboost",
    requires=">=1.2",
    patches=(*(Patch(f"catboost.core:{name}.fit", fit) for name in _CLASSES), Patch("catboost.core:cv", cv)),
    options=CatBoostOptions,
    demo="reticent_integrations.catboost.demo",
)
