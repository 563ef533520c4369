"""statsmodels OLS.fit"""

from __future__ import annotations

from collections.abc import Callable

MLFLOW = "mlflow.statsmodels"
SIZES = {
    "442 x 10": {"rows": 442, "columns": 10},
    "50,000 x 50": {"rows": 50_000, "columns": 50},
}


def prepare(rows: int, columns: int) -> Callable[[], object]:
    import numpy
    import pandas
    import statsmodels.api as sm

    values = numpy.random.default_rng(0).normal(size=(rows, columns))
    X = sm.add_constant(pandas.DataFrame(values, columns=[f"x{number}" for number in range(columns)]))
    y = pandas.Series(values[:, 0] + values[:, 1] ** 2, name="y")
    return lambda: sm.OLS(y, X).fit()
