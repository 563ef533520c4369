"""xgboost.train"""

from __future__ import annotations

from collections.abc import Callable

MLFLOW = "mlflow.xgboost"
SIZES = {
    "30 rounds, 569 x 30": {"rounds": 30, "rows": 569, "columns": 30},
    "60 rounds, 20,000 x 50": {"rounds": 60, "rows": 20_000, "columns": 50},
}


def prepare(rounds: int, rows: int, columns: int) -> Callable[[], object]:
    import xgboost

    from benchmarks.fits.data import two_classes

    X, y = two_classes(rows, columns)
    cut = rows * 4 // 5
    train, valid = xgboost.DMatrix(X[:cut], y[:cut]), xgboost.DMatrix(X[cut:], y[cut:])
    params = {"objective": "binary:logistic", "max_depth": 3, "eval_metric": ["logloss", "auc"], "nthread": 1}
    evals = [(train, "train"), (valid, "valid")]
    return lambda: xgboost.train(params, train, num_boost_round=rounds, evals=evals, verbose_eval=False)
