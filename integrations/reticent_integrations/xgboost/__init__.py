"""XGBoost: `xgboost.train`, called by the user or by XGBoost's scikit-learn estimators.

Called alone, it captures all there is to know. Inside an estimator's fit, which the scikit-learn integration captures,
it adds what only XGBoost knows: the evaluation sets, the metrics of each iteration, early stopping, importances.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from reticent.patching import Call, Integration, Options, Patch
from reticent_integrations.xgboost import data, early_stopping, importances, params
from reticent_integrations.xgboost.flavor import flavor
from reticent_integrations.xgboost.observer import observer_class


class XGBoostOptions(Options, frozen=True, forbid_unknown_fields=True, kw_only=True):
    importance_types: tuple[str, ...] = ("weight", "gain")
    """Feature importances to log, of those that `Booster.get_score` knows; none: no importances."""


def train(call: Call) -> Generator[None, Any, None]:
    """Around `xgboost.train`."""
    call.name = "xgboost.train"
    run = call.run
    callbacks, evals = _listed(call, "callbacks"), _listed(call, "evals")
    observer = observer_class()(run, call.prefix)
    # First, not last: a callback that ends the training, or raises, keeps those after it from seeing that iteration.
    call.set("callbacks", [observer, *callbacks])
    stopping = early_stopping.told(call, callbacks)
    if not call.inner:
        run.set_tag("autologging", "xgboost")
        with run.guard("xgboost integration (params)"):
            params.log(call, stopping)
    if call.options.log_datasets:
        with run.guard("xgboost integration (datasets)"):
            data.log(call, evals)

    booster = yield

    if stopping is not None:
        with run.guard("xgboost integration (early stopping)"):
            early_stopping.log(run, call.prefix, stopping, observer, booster)
    scores: importances.Scores = {}
    with run.guard("xgboost integration (feature importances)"):
        scores = importances.log(run, call.prefix, booster, call.options.importance_types)
    if call.options.log_models and not call.inner:
        with run.guard("xgboost integration (model)"):
            run.log_model(booster, f"{call.prefix}model", flavor=flavor, signature_inputs=data.example(booster))
    with run.guard("xgboost integration (feature importances)"):
        importances.draw(run, call.prefix, scores)


integration = Integration(
    "xgboost",
    module="xgboost",
    requires=">=2.0",
    # One function by the three names that callers find it under.
    patches=(
        Patch("xgboost:train", train),
        Patch("xgboost.training:train", train),
        Patch("xgboost.sklearn:train", train),
    ),
    options=XGBoostOptions,
)


def _listed(call: Call, name: str) -> list[Any]:
    """A list argument; from an iterator, which can be read once, XGBoost then gets the same list."""
    value = call.get(name)
    items = [] if value is None else list(value)
    if value is not None and not isinstance(value, (list, tuple)):
        call.set(name, items)
    return items
