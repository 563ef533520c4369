"""The data that a model was made with, as the user gave it."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from reticent import datasets
from reticent.guard import tried

_ROWS = 5

_PLACES = ("endog_orig", "_endog", "endog", "data.data", "imp.data")
"""Where what is no `Model` has its data: forecasts, projections, imputations."""


def describe(model: Any) -> datasets.Description | None:
    """The table of a formula; else the variables on both sides. None if a model knows no data."""
    if not hasattr(getattr(model, "data", None), "orig_endog"):
        held = _held(model)
        return None if held is None else datasets.describe(held)
    frame = getattr(model.data, "frame", None)
    if frame is not None:
        return datasets.describe(frame)
    endog, exog = model.data.orig_endog, model.data.orig_exog
    return datasets.describe(endog) if exog is None else datasets.describe(exog, endog)


def rows(model: Any) -> int:
    return datasets.rows(_held(model)) or 0


def megabytes(model: Any) -> float:
    """What a model holds of numbers, in 10^6 bytes."""
    arrays = (_held(model), *(getattr(model, name, None) for name in ("exog", "wexog", "wendog")))
    return sum(getattr(array, "nbytes", 0) for array in arrays) / 1e6


def _held(model: Any) -> Any:
    for place in _PLACES:
        try:
            return attrgetter(place)(model)
        except AttributeError:
            continue
    return None


def example(model: Any, results: Any) -> dict[str, Any]:
    """The options of `log_model`: some rows of what the results predict from, with what they say of them.

    Nothing for models of time series, which predict from dates and their own past, and for what predicts nothing.
    """
    from statsmodels.tsa.base.tsa_model import TimeSeriesModel

    if isinstance(model, TimeSeriesModel) or not hasattr(results, "predict") or not hasattr(model, "data"):
        return {}
    frame = getattr(model.data, "frame", None)
    features = model.data.orig_exog if frame is None else frame
    extents = datasets.shape(features)
    if extents is None or len(extents) != 2:
        return {}
    rows = datasets.take(features, 1, _ROWS)
    with tried():  # some models need more than features to predict, and say so in any way
        try:
            predicted = results.predict(rows)
        except NotImplementedError:
            return {}
        if datasets.rows(predicted) == datasets.rows(rows):
            return {"input_example": rows, "signature_outputs": predicted}
    return {"input_example": rows}
