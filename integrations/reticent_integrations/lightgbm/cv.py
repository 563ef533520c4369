"""`lightgbm.cv`: one run, with the mean and the deviation over the folds, and every fold's own score, of each round."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from reticent.patching import Call
from reticent_integrations import folds
from reticent_integrations.lightgbm import early_stopping, observer, params
from reticent_integrations.lightgbm.data import Datasets


def cv(call: Call) -> Generator[None, Any, None]:
    """Around `lightgbm.cv`."""
    call.name = "lightgbm.cv"
    capture = call.capture
    callbacks = params.callbacks(call)
    callback = early_stopping.callback_of(callbacks)
    with capture.guard("params"):
        params.log(call, callback)
    data = Datasets(call, [])
    with capture.guard("datasets"):
        data.log()
    with folds.watched() as scores, capture.phase("fit") as phase:

        def metrics(evaluated: list[observer.Result]) -> dict[str, float]:
            taken, scores[:] = list(scores), []
            return {**_over_folds(evaluated), **_of_folds(taken)}

        watching = observer.MetricObserver(capture, metrics)
        params.watch(call, watching)

        results = yield

        phase.samples = call.get("train_set").num_data() * len(watching.history)
    with capture.guard("datasets"):
        data.log_rest()
    columns = {name: column for name, column in results.items() if isinstance(column, list)}
    with capture.guard("early stopping"):
        early_stopping.log(callback, watching, len(next(iter(columns.values()), ())), "-mean")
    with capture.guard("table"):
        folds.log_table(capture, columns)


def _over_folds(evaluated: list[observer.Result]) -> dict[str, float]:
    named = {}
    for result in evaluated:
        named[f"{result.name}-mean"], named[f"{result.name}-std"] = result.score, result.deviation
    return named


def _of_folds(listed: list[Any]) -> dict[str, float]:
    return {
        f"fold_{fold}-{result.name}": result.score
        for fold, of_fold in enumerate(listed)
        for result in observer.results(of_fold)
    }
