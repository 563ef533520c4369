"""The methods by which models are fitted, and what calls them for its own ends."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from reticent.patching import Call, quiet
from reticent_integrations.statsmodels import data, params, results
from reticent_integrations.statsmodels.silence import silent


def fit(call: Call) -> Generator[None, Any, None]:
    """Around the methods by which models are fitted."""
    model = call.instance
    call.name = type(model).__name__
    capture = call.capture
    if not call.inner:
        with capture.guard("params"):
            params.log(call, model)
        with capture.guard("dataset"):
            if call.options.log_datasets:
                capture.log_dataset("train", "train", data.describe(model))

    with capture.phase("fit") as phase:
        phase.samples = data.rows(model)
        found = yield

    if not hasattr(found, "model"):  # some fits can be told to give numbers only
        return
    with quiet(), silent(), results.unchanged(found):
        if not call.inner and hasattr(found, "save"):
            with capture.guard("model"):
                _log_model(call, model, found)
        with capture.guard("coefficients"):
            table = results.coefficients(found)
            if table:
                capture.log_dict(table, "coefficients.json")
        if call.options.summary and results.summary_is_cheap(found):
            with capture.guard("summary"):
                capture.log_text(results.summary(found), "model_summary.txt")
        with capture.guard("metrics"):
            capture.log_metrics(results.metrics(found))


def _log_model(call: Call, model: Any, found: Any) -> None:
    megabytes, most = data.megabytes(model), call.options.max_model_mb
    if megabytes <= most:
        from reticent_integrations.statsmodels.flavor import flavor

        call.capture.log_model(found, flavor=flavor, **data.example(model, found))
    elif call.options.log_models:
        told = f"results with {megabytes:.0f} MB of data are not logged as a model: max_model_mb={most}"
        call.capture.warn("model left out", told)


def aside(call: Call) -> Generator[None, Any, None]:
    """Around what fits models for its own ends."""
    call.quiet = True
    yield
