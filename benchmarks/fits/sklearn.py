"""LogisticRegression.fit"""

from __future__ import annotations

from collections.abc import Callable

MLFLOW = "mlflow.sklearn"
SIZES = {
    "569 x 30": {"rows": 569, "columns": 30},
    "100,000 x 100": {"rows": 100_000, "columns": 100},
}


def prepare(rows: int, columns: int) -> Callable[[], object]:
    from sklearn.linear_model import LogisticRegression

    from benchmarks.fits.data import two_classes

    X, y = two_classes(rows, columns)
    return lambda: LogisticRegression(max_iter=200).fit(X, y)
