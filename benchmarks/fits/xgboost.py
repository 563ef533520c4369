"""xgboost.train, 30 rounds"""

from __future__ import annotations

from collections.abc import Callable

MLFLOW = "mlflow.xgboost"


def prepare() -> Callable[[], object]:
    import xgboost
    from sklearn.datasets import load_breast_cancer

    X, y = load_breast_cancer(return_X_y=True)
    train, valid = xgboost.DMatrix(X[:450], y[:450]), xgboost.DMatrix(X[450:], y[450:])
    params = {"objective": "binary:logistic", "max_depth": 3, "eval_metric": ["logloss", "auc"], "nthread": 1}
    evals = [(train, "train"), (valid, "valid")]
    return lambda: xgboost.train(params, train, num_boost_round=30, evals=evals, verbose_eval=False)
