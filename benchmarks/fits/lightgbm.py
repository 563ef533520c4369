"""lightgbm.train"""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.fits.data import BOOSTED, with_validation

MLFLOW = "mlflow.lightgbm"
SIZES = BOOSTED


def prepare(rounds: int, rows: int, columns: int) -> Callable[[], object]:
    import lightgbm

    train, valid = with_validation(rows, columns)
    params = {"objective": "binary", "metric": ["auc", "binary_logloss"], "verbose": -1, "num_threads": 1}

    def fit() -> object:
        data = lightgbm.Dataset(*train)
        beside = lightgbm.Dataset(*valid, reference=data)
        return lightgbm.train(params, data, num_boost_round=rounds, valid_sets=[beside])

    return fit
