"""The methods by which models are fitted, and what calls them for its own ends."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

from reticent.patching import Call, quiet
from reticent_integrations.statsmodels import data, params, results
from reticent_integrations.statsmodels.silence import silent


def fit(call: Call) -> Generator[None, Any, None]:
    """Around the methods by which models are fitted."""
    found = yield from training(call)
    if not hasattr(found, "model"):  # some fits can be told to give numbers only
        return
    with asking(found):
        summary = summary_of(call, found)  # first: with a null model that it needs there are more metrics
        log_coefficients(call, found)
        log_metrics(call, found)
    log_summary(call, summary)
    if not call.inner:
        with asking(found):
            log_model(call, found)


def training(call: Call) -> Generator[None, Any, Any]:
    """Log what there is to know before a fit, and how long it takes; gives what the fit returns."""
    model = call.instance
    call.name = type(model).__name__
    capture = call.capture
    if not call.inner:
        with capture.guard("params"):
            params.log(call, model)
        with capture.guard("dataset"):
            described = data.describe(model) if call.options.log_datasets else None
            if described is not None:
                capture.log_dataset("train", "train", described)

    with capture.phase("fit") as phase:
        results = yield
        phase.samples = data.rows(model)
        return results


@contextmanager
def asking(found: Any) -> Iterator[None]:
    """Ask results for what they compute only then: with no runs, no warnings and nothing left in them of it.

    The model is asked by itself, as it is to be saved without all that; and last, as the summary's text is logged: what they
    leave to the background would slow down what comes after.
    """
    with quiet(), silent(), results.unchanged(found):
        yield


def log_model(call: Call, found: Any) -> None:
    from reticent_integrations.statsmodels.flavor import flavor

    if not flavor.handles(found):
        return
    model = call.instance
    megabytes, most = data.megabytes(model), call.options.max_model_mb
    with call.capture.guard("model"):
        if megabytes <= most:
            call.capture.log_model(found, flavor=flavor, **data.example(model, found))
        elif call.options.log_models:
            told = f"results with {megabytes:.0f} MB of data are not logged as a model: max_model_mb={most}"
            call.capture.warn("model left out", told)


def log_coefficients(call: Call, found: Any) -> None:
    with call.capture.guard("coefficients"):
        table = results.coefficients(found)
        if table:
            call.capture.log_dict(table, "coefficients.json")


def summary_of(call: Call, found: Any) -> Any:
    if call.options.summary and results.summary_is_cheap(found):
        with call.capture.guard("summary"):
            return results.summary(found)
    return None


def log_summary(call: Call, summary: Any) -> None:
    """In the background: to put it in lines takes longer than to make it."""
    capture = call.capture
    if summary is not None:
        capture.in_background("summary", lambda: capture.log_text(str(summary), "model_summary.txt"))


def log_metrics(call: Call, found: Any) -> None:
    with call.capture.guard("metrics"):
        call.capture.log_metrics(results.metrics(found))


def aside(call: Call) -> Generator[None, Any, None]:
    """Around what fits models for its own ends."""
    call.quiet = True
    yield
