"""What is fitted: made by a generator with a seed, of any size."""

from __future__ import annotations

from typing import Any

BOOSTED = {
    "30 rounds, 569 x 30": {"rounds": 30, "rows": 569, "columns": 30},
    "60 rounds, 20,000 x 50": {"rounds": 60, "rows": 20_000, "columns": 50},
}
"""The sizes of trees that are boosted, whichever library does it."""


def two_classes(rows: int, columns: int) -> tuple[Any, Any]:
    """Some columns say which class, not without error."""
    import numpy

    random = numpy.random.default_rng(0)
    X = random.normal(size=(rows, columns))
    return X, (X[:, :5].sum(axis=1) + random.normal(size=rows) > 0).astype(int)


def with_validation(rows: int, columns: int) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Two classes, and the last fifth of them apart."""
    X, y = two_classes(rows, columns)
    cut = rows * 4 // 5
    return (X[:cut], y[:cut]), (X[cut:], y[cut:])
