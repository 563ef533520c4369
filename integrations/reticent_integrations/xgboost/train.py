"""`xgboost.train`."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack
from typing import Any

from reticent.patching import Call
from reticent.patching.phases import count_samples
from reticent_integrations import checkpoints
from reticent_integrations import importances as charted
from reticent_integrations.xgboost import data, early_stopping, importances, params
from reticent_integrations.xgboost.observer import observer_class


def train(call: Call) -> Generator[None, Any, None]:
    """Around `xgboost.train`."""
    if _is_a_later_worker():
        yield
        return
    call.name = "xgboost.train"
    capture = call.capture
    callbacks, evals = params.listed(call, "callbacks"), params.listed(call, "evals")
    observer = observer_class()(capture)
    # First, not last: a callback that ends the training, or raises, keeps those after it from seeing that iteration.
    call.set("callbacks", [observer, *callbacks])
    stopping = early_stopping.told(call, callbacks)
    if not call.inner:
        with capture.guard("params"):
            params.log(call, stopping)
    with capture.guard("datasets"):
        data.log(call, evals)
    with ExitStack() as around:
        around.enter_context(checkpoints.of(observer))
        if not call.inner:
            around.enter_context(capture.phase("fit"))

        booster = yield

        count_samples(call.get("dtrain").num_row() * (observer.last_step + 1))
    if stopping is not None:
        with capture.guard("early stopping"):
            early_stopping.log(stopping, observer)
    with capture.guard("feature importances"):
        charted.log(capture, importances.scores(booster, call.options.importance_types))
    if not call.inner:
        _log_model(call, booster)


def _log_model(call: Call, booster: Any) -> None:
    capture = call.capture
    told: dict[str, Any] = {}
    with capture.guard("signature"):
        told["signature_inputs"], told["signature_outputs"] = data.form(booster)
    with capture.guard("input example"):
        if call.options.log_models and call.options.log_examples:
            told["input_example"] = data.first_rows(call.get("dtrain"))
    with capture.guard("model"):
        from reticent_integrations.xgboost.flavor import flavor

        capture.log_model(booster, flavor=flavor, **told)


def _is_a_later_worker() -> bool:
    """Whether this is one of several workers that train one model together, and not the first of them."""
    from xgboost import collective

    return bool(collective.is_distributed() and collective.get_rank() != 0)
