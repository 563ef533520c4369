"""`xgboost.cv`: one run, with the mean and the deviation over the folds, and every fold's own score, of each round."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from reticent.patching import Call
from reticent_integrations import folds
from reticent_integrations.xgboost import data, early_stopping, params
from reticent_integrations.xgboost.observer import History, observer_class


def cv(call: Call) -> Generator[None, Any, None]:
    """Around `xgboost.cv`."""
    call.name = "xgboost.cv"
    capture = call.capture
    callbacks = params.listed(call, "callbacks")
    stopping = early_stopping.told(call, callbacks)
    with capture.guard("params"):
        params.log(call, stopping)
    with capture.guard("datasets"):
        data.log(call, [])
    with folds.watched() as scores, capture.phase("fit") as phase:

        def metrics(history: History) -> dict[str, float]:
            taken, scores[:] = list(scores), []
            return {**_over_folds(history), **_of_folds(taken)}

        observer = observer_class()(capture, metrics)
        call.set("callbacks", [observer, *callbacks])

        results = yield

        phase.samples = call.get("dtrain").num_row() * (observer.last_step + 1)
    if stopping is not None:
        with capture.guard("early stopping"):
            early_stopping.log(stopping, observer, "-mean")
    with capture.guard("table"):
        folds.log_table(capture, {name: list(column) for name, column in results.items()})


def _over_folds(history: History) -> dict[str, float]:
    named = {}
    for data_name, metrics in history.items():
        for metric, scores in metrics.items():
            named[f"{data_name}-{metric}-mean"], named[f"{data_name}-{metric}-std"] = scores[-1]
    return named


def _of_folds(lines: list[str]) -> dict[str, float]:
    """The scores in XGBoost's lines: "[3]\ttrain-auc:0.93\ttest-auc:0.91", one for each fold."""
    return {
        f"fold_{fold}-{name}": float(score)
        for fold, line in enumerate(lines)
        for name, _, score in (part.rpartition(":") for part in line.split()[1:])
    }
