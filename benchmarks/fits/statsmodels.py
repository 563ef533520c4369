"""statsmodels OLS.fit"""

from __future__ import annotations

from collections.abc import Callable

MLFLOW = "mlflow.statsmodels"


def prepare() -> Callable[[], object]:
    import statsmodels.api as sm
    from sklearn.datasets import load_diabetes

    X, y = load_diabetes(return_X_y=True, as_frame=True)
    X = sm.add_constant(X)
    return lambda: sm.OLS(y, X).fit()
