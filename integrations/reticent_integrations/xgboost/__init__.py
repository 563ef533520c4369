"""XGBoost: `xgboost.train`, called by the user or by XGBoost's scikit-learn estimators.

Called alone, it captures all there is to know. Inside an estimator's fit, which the scikit-learn integration captures,
it adds what only XGBoost knows: the evaluation sets, the metrics of each iteration, early stopping, importances.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from reticent.patching import Call, Integration, Options, Patch
from reticent_integrations import importances as charted
from reticent_integrations.xgboost import data, early_stopping, importances, params
from reticent_integrations.xgboost.flavor import flavor
from reticent_integrations.xgboost.observer import observer_class


class XGBoostOptions(Options, frozen=True, forbid_unknown_fields=True, kw_only=True):
    importance_types: tuple[str, ...] = ("weight", "gain")
    """Feature importances to log, of those that `Booster.get_score` knows; none: no importances."""


def train(call: Call) -> Generator[None, Any, None]:
    """Around `xgboost.train`."""
    call.name = "xgboost.train"
    capture = call.capture
    callbacks, evals = _listed(call, "callbacks"), _listed(call, "evals")
    observer = observer_class()(capture)
    # First, not last: a callback that ends the training, or raises, keeps those after it from seeing that iteration.
    call.set("callbacks", [observer, *callbacks])
    stopping = early_stopping.told(call, callbacks)
    if not call.inner:
        with capture.guard("params"):
            params.log(call, stopping)
    with capture.guard("datasets"):
        data.log(call, evals)

    booster = yield

    if stopping is not None:
        with capture.guard("early stopping"):
            early_stopping.log(capture, stopping, observer, booster)
    with capture.guard("feature importances"):
        charted.log(capture, importances.scores(booster, call.options.importance_types))
    if not call.inner:
        with capture.guard("model"):
            capture.log_model(booster, flavor=flavor, signature_inputs=data.example(booster))


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
