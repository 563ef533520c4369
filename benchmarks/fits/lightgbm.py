"""lightgbm.train, 30 rounds"""

from __future__ import annotations

from collections.abc import Callable

MLFLOW = "mlflow.lightgbm"


def prepare() -> Callable[[], object]:
    import lightgbm
    from sklearn.datasets import load_breast_cancer

    X, y = load_breast_cancer(return_X_y=True)
    params = {"objective": "binary", "metric": ["auc", "binary_logloss"], "verbose": -1, "num_threads": 1}

    def fit() -> object:
        train = lightgbm.Dataset(X[:450], y[:450])
        valid = lightgbm.Dataset(X[450:], y[450:], reference=train)
        return lightgbm.train(params, train, num_boost_round=30, valid_sets=[valid])

    return fit
