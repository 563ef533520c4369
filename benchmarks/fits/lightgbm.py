"""lightgbm.train"""

from __future__ import annotations

from collections.abc import Callable

MLFLOW = "mlflow.lightgbm"
SIZES = {
    "30 rounds, 569 x 30": {"rounds": 30, "rows": 569, "columns": 30},
    "60 rounds, 20,000 x 50": {"rounds": 60, "rows": 20_000, "columns": 50},
}


def prepare(rounds: int, rows: int, columns: int) -> Callable[[], object]:
    import lightgbm

    from benchmarks.fits.data import two_classes

    X, y = two_classes(rows, columns)
    cut = rows * 4 // 5
    params = {"objective": "binary", "metric": ["auc", "binary_logloss"], "verbose": -1, "num_threads": 1}

    def fit() -> object:
        train = lightgbm.Dataset(X[:cut], y[:cut])
        valid = lightgbm.Dataset(X[cut:], y[cut:], reference=train)
        return lightgbm.train(params, train, num_boost_round=rounds, valid_sets=[valid])

    return fit
