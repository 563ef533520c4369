"""CatBoostClassifier.fit, 30 rounds"""

from __future__ import annotations

from collections.abc import Callable

MLFLOW = None


def prepare() -> Callable[[], object]:
    from catboost import CatBoostClassifier
    from sklearn.datasets import load_breast_cancer

    X, y = load_breast_cancer(return_X_y=True)

    def fit() -> object:
        model = CatBoostClassifier(iterations=30, thread_count=1, verbose=False, allow_writing_files=False)
        return model.fit(X[:450], y[:450], eval_set=(X[450:], y[450:]))

    return fit
