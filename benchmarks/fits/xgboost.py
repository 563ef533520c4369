"""xgboost.train"""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.fits.data import BOOSTED, with_validation

MLFLOW = "mlflow.xgboost"
SIZES = BOOSTED


def prepare(rounds: int, rows: int, columns: int) -> Callable[[], object]:
    import xgboost

    train, valid = with_validation(rows, columns)
    params = {"objective": "binary:logistic", "max_depth": 3, "eval_metric": ["logloss", "auc"], "nthread": 1}
    data = xgboost.DMatrix(*train)
    evals = [(data, "train"), (xgboost.DMatrix(*valid), "valid")]
    return lambda: xgboost.train(params, data, num_boost_round=rounds, evals=evals, verbose_eval=False)
