"""Arrays converted to another dtype, if every value stays the same."""

from __future__ import annotations

from typing import Any

REASONS = {
    "fraction": "it has values that are not whole numbers: round them, if that is meant",
    "missing": "it has missing values, which whole numbers cannot be: give the model a column without gaps, or train it "
    "with data that has some",
    "large": "it has values that are too large for that",
    "rounded": "its values would be rounded: convert them before, if that is meant",
    "other": "convert it before, if that is meant",
}


class LossyError(Exception):
    """The reason, of `REASONS`."""


def lossless(values: Any, dtype: str) -> Any:
    """An array of numpy as another dtype. LossyError if a value would change, or mean something else: flags stay flags."""
    import numpy as np

    given, wanted = values.dtype, np.dtype(dtype)
    if given == wanted or (given.kind == wanted.kind and given.kind in "USMO"):
        return values
    kinds = given.kind + wanted.kind
    if kinds in ("ii", "uu", "iu", "ui"):
        _within(values, int(np.iinfo(wanted).min), int(np.iinfo(wanted).max))
    elif kinds in ("if", "uf"):
        most = 2 ** (np.finfo(wanted).nmant + 1)
        _within(values, -most, most)
    elif kinds in ("fi", "fu"):
        _whole(values, wanted)
    elif kinds in ("ff", "cc"):
        with np.errstate(over="ignore", invalid="ignore"):
            converted = values.astype(wanted)
        if not np.array_equal(converted, values, equal_nan=True):
            raise LossyError("rounded")
        return converted
    elif kinds == "fc":
        return lossless(values, "float32" if wanted == np.complex64 else "float64").astype(wanted)
    else:
        raise LossyError("other")
    return values.astype(wanted)


def _within(values: Any, least: int, most: int) -> None:
    if values.size and not (least <= int(values.min()) and int(values.max()) <= most):
        raise LossyError("large")


def _whole(values: Any, wanted: Any) -> None:
    import numpy as np

    if np.isnan(values).any():
        raise LossyError("missing")
    if not (np.isinf(values) | (np.floor(values) == values)).all():
        raise LossyError("fraction")
    limits, values = np.iinfo(wanted), values.astype("float64", copy=False)
    # The greatest whole number has no float of its own; the one after it has.
    if values.size and not (float(limits.min) <= values.min() and values.max() < float(int(limits.max) + 1)):
        raise LossyError("large")
