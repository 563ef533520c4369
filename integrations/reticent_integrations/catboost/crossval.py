"""Cross-validation by `catboost.cv`: the means and deviations over the folds, of each iteration."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from reticent.patching import Call, Capture, EarlyStopping
from reticent.patching.early_stopping import Reason
from reticent_integrations import folds
from reticent_integrations.catboost import data, params


def cv(call: Call) -> Generator[None, Any, None]:
    """Around `catboost.cv`."""
    call.name = "catboost.cv"
    capture = call.capture
    pool = call.get("pool") if call.get("pool") is not None else call.get("dtrain")
    told = {**(call.get("params") or {}), **params.arguments(call)}
    with capture.guard("params"):
        capture.log_params(told, "explicit")
        known = {params.canonical(name) for name in told}
        defaults = {name: value for name, value in call.defaults().items() if value is not None and name not in known}
        capture.log_params(defaults, "default")
    with capture.guard("datasets"):
        if call.options.log_datasets:
            capture.log_dataset("train", "train", data.describe(pool))

    with capture.phase("fit") as phase:
        result = yield

        table = result[0] if isinstance(result, tuple) else result
        with capture.guard("samples"):
            phase.samples = data.rows(pool) * (int(max(table["iterations"])) + 1)
    with capture.guard("metrics"):
        log(capture, table, told)
    with capture.guard("table"):
        folds.log_table(capture, {str(name): list(table[name]) for name in table})


def log(capture: Capture, table: Any, told: Mapping[str, Any]) -> None:
    """Log the means and deviations, by iteration."""
    columns = {str(name): list(table[name]) for name in table}
    steps = [int(step) for step in columns.pop("iterations")]
    for name, values in columns.items():
        for step, value in zip(steps, values, strict=True):
            capture.log_step({name: value}, step)
    _log_best(capture, told, columns, steps)


def _log_best(capture: Capture, told: Mapping[str, Any], columns: Mapping[str, list[float]], steps: list[int]) -> None:
    from catboost.core import is_maximizable_metric

    metric = str(params.value(told, "eval_metric") or params.value(told, "loss_function"))
    monitor = f"test-{metric}-mean"
    if monitor not in columns:  # it has params that CatBoost spells in another way, or is the user's own
        return
    values = columns[monitor]
    better = max if is_maximizable_metric(metric) else min
    at = values.index(better(values))
    capture.log_metrics({"best_iteration": steps[at]})
    patience = params.value(told, "od_wait")
    if not patience:
        return
    reason: Reason = "all steps trained" if steps[-1] + 1 >= params.iterations(told) else "no improvement"
    capture.log_early_stopping(EarlyStopping(monitor, steps[at], steps[-1], values[at], reason, int(patience)))
