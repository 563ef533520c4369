"""`lightgbm.train`."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack
from typing import Any

from reticent.patching import Call
from reticent.patching.phases import count_samples
from reticent_integrations import checkpoints
from reticent_integrations import importances as charted
from reticent_integrations.lightgbm import data, early_stopping, params
from reticent_integrations.lightgbm.observer import MetricObserver


def train(call: Call) -> Generator[None, Any, None]:
    """Around `lightgbm.train`."""
    call.name = "lightgbm.train"
    capture = call.capture
    observer = MetricObserver(capture)
    callback = early_stopping.callback_of(params.callbacks(call))
    params.watch(call, observer)
    if not call.inner:
        with capture.guard("params"):
            params.log(call, callback)
    training, example = call.get("train_set"), None
    sets = data.Datasets(call, params.evaluated(call))
    with capture.guard("datasets"):
        sets.log()
    with capture.guard("input example"):
        if not call.inner and call.options.log_models:
            example = data.first_rows(training)
    with ExitStack() as around:
        around.enter_context(checkpoints.of(observer))
        if not call.inner:
            around.enter_context(capture.phase("fit"))

        booster = yield

        count_samples(training.num_data() * len(observer.history))
    with capture.guard("datasets"):
        sets.log_rest()
    with capture.guard("early stopping"):
        early_stopping.log(callback, observer, booster.best_iteration)
    with capture.guard("feature importances"):
        charted.log(capture, _importances(booster, call.options.importance_types))
    if not call.inner:
        with capture.guard("model"):
            inputs, outputs = data.form(booster)
            inputs = inputs if example is None else example
            from reticent_integrations.lightgbm.flavor import flavor

            capture.log_model(
                booster, flavor=flavor, signature_inputs=inputs, signature_outputs=outputs, input_example=example
            )


def _importances(booster: Any, kinds: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    names = booster.feature_name()
    return {kind: dict(zip(names, booster.feature_importance(kind).tolist(), strict=True)) for kind in kinds}
