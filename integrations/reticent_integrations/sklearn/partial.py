"""Around `partial_fit`: a step of a training that goes on over many calls."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from reticent import datasets
from reticent.patching import Call
from reticent_integrations.sklearn import later, training
from reticent_integrations.sklearn.fit import argument, log_html, only_transforms, start


def partial_fit(call: Call) -> Generator[None, Any, None]:
    """Around `partial_fit` of every estimator."""
    estimator = call.instance
    call.quiet = True
    if not hasattr(estimator, "get_params") or only_transforms(estimator) or call.inner:
        yield
        return
    features = argument(call, 1, "X")
    known = training.find(estimator)
    if known is not None and known.is_open_here:
        call.next_of(known, known.capture)
    else:
        training.end(estimator)
        known = _begin(call, features)

    with known.capture.phase("partial_fit", known.calls) as phase:
        yield
        phase.samples = datasets.rows(features) or 0

    known.advance(phase.samples, getattr(estimator, "loss_", None))


def _begin(call: Call, features: Any) -> training.Training:
    estimator, targets = call.instance, argument(call, 2, "y")
    shown, contents = start(call, estimator, features, targets)
    capture = call.capture
    log_html(capture, shown)
    data = later.Data("training", later.Identity(features), later.Identity(targets), contents)
    fitted = later.Fitted(capture, type(estimator).__name__, data, {})
    later.remember(estimator, fitted)
    begun = training.Training(capture, estimator, fitted, features)
    training.begin(begun, estimator)
    call.first_of(begun)
    return begun
