"""LogisticRegression.fit, breast cancer"""

from __future__ import annotations

from collections.abc import Callable

MLFLOW = "mlflow.sklearn"


def prepare() -> Callable[[], object]:
    from sklearn.datasets import load_breast_cancer
    from sklearn.linear_model import LogisticRegression

    X, y = load_breast_cancer(return_X_y=True)
    return lambda: LogisticRegression(max_iter=200).fit(X, y)
