"""What is fitted and is no `Model`: rolling regressions, forecasts, and what fits many models to one end."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from reticent.patching import Call
from reticent_integrations.statsmodels import data, results, windows
from reticent_integrations.statsmodels.fit import (
    asking,
    log_coefficients,
    log_metrics,
    log_model,
    log_summary,
    summary_of,
    training,
)


def rolling(call: Call) -> Generator[None, Any, None]:
    """Around the fit of a regression in windows: the metrics have a point for each, the table is of the last one."""
    found = yield from training(call)
    capture = call.capture
    with asking(found):
        log_model(call, found)
        with capture.guard("coefficients"):
            table = windows.coefficients(found)
            if table:
                capture.log_dict(table, "coefficients.json")
        with capture.guard("metrics"):
            for row, values in windows.metrics(found):
                capture.log_metrics(values, row)


def forecast(call: Call) -> Generator[None, Any, None]:
    """Around the fit of a forecast for a series without its seasons: the numbers are those of the model that makes it."""
    found = yield from training(call)
    with asking(found):
        log_model(call, found)
        if hasattr(found.model_result, "summary"):
            log_summary(call, summary_of(call, found))
    with asking(found.model_result):
        log_coefficients(call, found.model_result)
        log_metrics(call, found.model_result)


def theta(call: Call) -> Generator[None, Any, None]:
    """Around the fit of a Theta model, which finds out about seasons itself."""
    found = yield from training(call)
    capture, model = call.capture, call.instance
    with asking(found):
        log_model(call, found)
        log_coefficients(call, found)
        log_summary(call, summary_of(call, found))
        with capture.guard("metrics"):  # without maximum likelihood, the variance would take a fit of its own
            capture.log_metrics({"nobs": data.rows(model), **({"sigma2": found.sigma2} if call.get("use_mle") else {})})
    with capture.guard("params"):
        seasons: dict[str, Any] = {"has_seasonality": bool(model._has_seasonality)}
        if model.deseasonalize:
            method = "multiplicative" if model.method.startswith("mul") else "additive"
            seasons |= {"seasonal_method": method, "seasonal_period": model.period}
        capture.log_params(seasons, "derived")


def projections(call: Call) -> Generator[None, Any, None]:
    """Around the fit of local projections: a regression for each horizon."""
    found = yield from training(call)
    with asking(found):
        log_model(call, found)
        with call.capture.guard("coefficients"):
            call.capture.log_dict(results.responses(found), "coefficients.json")
        with call.capture.guard("metrics"):
            call.capture.log_metrics({"nobs": found.nobs})


def imputed(call: Call) -> Generator[None, Any, None]:
    """Around the fit of a model to a table that is filled again and again. Its results cannot be saved."""
    found = yield from training(call)
    with asking(found):
        log_coefficients(call, found)
        log_summary(call, summary_of(call, found))
        log_metrics(call, found)


def partitioned(call: Call) -> Generator[None, Any, None]:
    """Around the fit of models to parts of the data, of which one is made: it knows no data, only coefficients."""
    found = yield from training(call)
    with asking(found):
        log_model(call, found)
        log_coefficients(call, found)
