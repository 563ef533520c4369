"""What the results of a regression in windows say: how each window was fitted, and the coefficients of the last one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from reticent_integrations.statsmodels.results import asked

MAX_POINTS = 200
"""So many windows at most have a point in the metrics: the last one, and others evenly before it."""

_METRICS = ("aic", "bic", "llf", "mse_resid", "nobs", "rsquared", "rsquared_adj", "ssr")
_COLUMNS = {"coefficient": "params", "std_error": "bse", "statistic": "tvalues", "p_value": "pvalues"}


def metrics(results: Any) -> Iterator[tuple[int, dict[str, float]]]:
    """The numbers of windows, each under the row that it ends with."""
    import numpy as np

    arrays = {name: np.asarray(asked(results, name), dtype=float) for name in _METRICS}
    params = np.asarray(results.params)
    arrays |= {f"coefficient/{name}": params[:, place] for place, name in enumerate(_names(results))}
    for row in _sample(_fitted(results)):
        values = {name: float(array[row]) for name, array in arrays.items() if array.ndim}
        yield row, {name: value for name, value in values.items() if math.isfinite(value)}


def coefficients(results: Any) -> list[dict[str, Any]]:
    """Of the last window, a row for each coefficient."""
    import numpy as np

    rows = _fitted(results)
    if not rows:
        return []
    columns = {name: np.asarray(asked(results, attribute))[rows[-1]] for name, attribute in _COLUMNS.items()}
    interval = np.asarray(results.conf_int())[rows[-1]]
    low, high = interval if interval.ndim == 2 else interval.reshape(-1, 2).T  # of pandas' data one row: pairs
    columns |= {"lower_95": low, "upper_95": high}
    return [
        {"name": name, **{column: float(values[place]) for column, values in columns.items()}}
        for place, name in enumerate(_names(results))
    ]


def _names(results: Any) -> list[str]:
    return [str(name) for name in results.model.data.xnames]


def _fitted(results: Any) -> list[int]:
    """The rows at whose end a window was fitted: there are coefficients."""
    import numpy as np

    found: list[int] = np.flatnonzero(np.isfinite(np.asarray(results.params)).all(axis=1)).tolist()
    return found


def _sample(rows: list[int]) -> list[int]:
    step = -(-len(rows) // MAX_POINTS) or 1
    return rows[::-1][::step][::-1]
