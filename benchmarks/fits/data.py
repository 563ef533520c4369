"""What is fitted: made by a generator with a seed, of any size."""

from __future__ import annotations

from typing import Any


def two_classes(rows: int, columns: int) -> tuple[Any, Any]:
    """Some columns say which class, not without error."""
    import numpy

    random = numpy.random.default_rng(0)
    X = random.normal(size=(rows, columns))
    return X, (X[:, :5].sum(axis=1) + random.normal(size=rows) > 0).astype(int)
