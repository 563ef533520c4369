"""What results say: single numbers, the table of coefficients, and the summary."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from reticent import datasets
from reticent.guard import tried

MAX_NULL_ROWS = 10_000
"""Of more rows no null model is fitted for the summary: that may take longer than the fit itself."""

_METRICS = (
    "aic aicc bic bic_deviance bic_llf centered_tss condition_number converged detomega deviance df_model df_resid ess"
    " f_pvalue fpe fvalue hqic llf mae mse mse_model mse_resid mse_total nobs pearson_chi2 rsquared rsquared_adj scale"
    " sigma2 sse ssr uncentered_tss"
)

_AGAINST_NULL = "llnull llr llr_pvalue prsquared null_deviance"
"""What needs a null model."""

_COLUMNS = {"std_error": "bse", "statistic": "tvalues", "p_value": "pvalues"}

_MATRIX_COLUMNS = {"std_error": "stderr", "statistic": "tvalues", "p_value": "pvalues"}


@contextmanager
def unchanged(results: Any) -> Iterator[None]:
    """Have results and their model hold no more of what they compute than if they had not been asked."""
    attributes = [vars(one) for one in (_inner(results), getattr(results, "model", None)) if hasattr(one, "__dict__")]
    before = [dict(held) for held in attributes]
    caches = [held["_cache"] for held in attributes if isinstance(held.get("_cache"), dict)]
    cached = [set(cache) for cache in caches]
    try:
        yield
    finally:
        for held, earlier in zip(attributes, before, strict=True):
            for name in held.keys() - earlier.keys():
                del held[name]
            held.update(earlier)
        for cache, names in zip(caches, cached, strict=True):
            for name in cache.keys() - names:
                del cache[name]


def metrics(results: Any) -> dict[str, float]:
    """All single numbers, as far as there are any."""
    names = [*_METRICS.split(), *(_AGAINST_NULL.split() if _has_null(results) else ())]
    found = {name: asked(results, name) for name in names}
    fitting = asked(results, "mle_retvals")
    if isinstance(fitting, Mapping):
        found |= {name: fitting.get(name) for name in ("iterations", "converged")}
    if type(_inner(results)).__name__ == "RegularizedResults":
        found |= _of_regularized(results)
    return {name: float(value) for name, value in found.items() if _is_number(value)}


def coefficients(results: Any) -> list[dict[str, Any]]:
    """A row for each coefficient, or for each coefficient of each equation."""
    if hasattr(results, "stderr_alpha"):
        return list(_of_error_correction(results))
    params = asked(results, "params")
    if isinstance(params, Mapping):  # of exponential smoothing: numbers, and arrays of states
        return [{"name": str(name), "coefficient": value} for name, value in params.items()]
    if params is None:
        return []
    columns = {name: asked(results, attribute) for name, attribute in _COLUMNS.items()}
    columns = {name: values for name, values in columns.items() if datasets.shape(values) == datasets.shape(params)}
    intervals = _flat(_called(results, "conf_int"), by_row=True)
    table = [{"name": name} for name in _names(results, params)]
    for name, values in {"coefficient": params, **columns}.items():
        for row, value in zip(table, _flat(values), strict=False):
            row[name] = value
    if len(intervals) == 2 * len(table):
        for row, low, high in zip(table, intervals[::2], intervals[1::2], strict=True):
            row |= {"lower_95": low, "upper_95": high}
    return table


def responses(results: Any) -> list[dict[str, Any]]:
    """Of local projections, a row for the response of each variable to each shock at each horizon."""
    intervals = results.conf_int()
    return [
        {
            "name": f"{variable} to {shock} at {horizon}",
            "coefficient": float(results.irfs[place]),
            "std_error": float(results.stderr[place]),
            "lower_95": float(intervals[place][0]),
            "upper_95": float(intervals[place][1]),
        }
        for horizon in range(len(results.irfs))
        for j, shock in enumerate(results.model.shock_names)
        for i, variable in enumerate(results.model.endog_names)
        for place in [(horizon, i, j)]
    ]


def summary(results: Any) -> Any:
    """What has the text as its `str`, whatever becomes of the results. None where a model's class has none, and says so
    only when it is asked."""
    from statsmodels.iolib.summary import Summary

    with suppress(NotImplementedError):
        made = results.summary()
        return made if type(made) is Summary else str(made)
    return None


def summary_is_cheap(results: Any) -> bool:
    inner = type(_inner(results))
    if not hasattr(inner, "summary") or inner.__name__ == "RegularizedResults":
        return False
    needs_null = hasattr(inner, "llnull") and not hasattr(inner, "null")  # a GLM's null model is fitted in no time
    return not needs_null or _has_null(results) or (datasets.rows(results.model.endog) or 0) <= MAX_NULL_ROWS


def asked(results: Any, name: str) -> Any:
    """What results say under a name; None if they do not know."""
    with tried():  # results raise errors of any kind for what their model has not
        return getattr(results, name)
    return None


def _called(results: Any, name: str) -> Any:
    with tried():
        return getattr(results, name)()
    return None


def _names(results: Any, params: Any) -> list[str]:
    """Of the coefficients, equation by equation."""
    count, index = len(_flat(params)), [str(name) for name in getattr(params, "index", ())]
    if hasattr(params, "columns"):
        return [f"{equation}: {name}" for equation in params.columns for name in index]
    known = asked(results.model, "param_names"), index, asked(results.model, "exog_names")
    fitting = [names for names in known if isinstance(names, list) and len(names) == count]
    return [str(name) for name in (fitting[0] if fitting else range(count))]


def _flat(values: Any, by_row: bool = False) -> list[Any]:
    """The numbers in an array or a table, column by column."""
    if values is None:
        return []
    array = values.to_numpy() if hasattr(values, "to_numpy") else values
    return list(array.reshape(-1, order="C" if by_row else "F").tolist())


def _of_error_correction(results: Any) -> Iterator[dict[str, Any]]:
    """The matrices of a vector error correction model: how fast it adjusts, to which relations, and what is beside them."""
    for matrix in ("alpha", "beta", "gamma", "det_coef", "det_coef_coint"):
        values = asked(results, matrix)
        columns = {column: asked(results, f"{name}_{matrix}") for column, name in _MATRIX_COLUMNS.items()}
        columns = {name: of_all for name, of_all in columns.items() if datasets.shape(of_all) == datasets.shape(values)}
        for place in _places(values):
            found = {name: float(of_all[place]) for name, of_all in columns.items()}
            yield {"name": f"{matrix}[{place[0]},{place[1]}]", "coefficient": float(values[place]), **found}


def _places(matrix: Any) -> Iterator[tuple[int, int]]:
    rows, columns = datasets.shape(matrix) or (0, 0)
    yield from ((row, column) for row in range(rows) for column in range(columns))


def _of_regularized(results: Any) -> dict[str, Any]:
    """Of results that have coefficients and no more: how well they fit, and how many of them are left."""
    import numpy as np

    model, params = results.model, np.asarray(results.params)
    endog, fitted = np.asarray(model.endog), asked(results, "fittedvalues")
    found: dict[str, Any] = {"nobs": len(endog), "nonzero_params": np.count_nonzero(params)}
    with suppress(AttributeError, NotImplementedError, TypeError, ValueError):
        found["llf"] = model.loglike(params)
    if datasets.shape(fitted) == endog.shape and endog.ndim == 1:
        ssr = float(np.sum((endog - np.asarray(fitted)) ** 2))
        tss = float(np.sum((endog - endog.mean()) ** 2))
        found |= {"ssr": ssr, "mse": ssr / len(endog), "rsquared": 1 - ssr / tss if tss else None}
    return found


def _has_null(results: Any) -> bool:
    """Whether the null model is known, or takes no fit."""
    cache = getattr(_inner(results), "_cache", None) or {}
    return "llnull" in cache or "null" in cache or type(_inner(results)).__name__ == "QuantRegResults"


def _is_number(value: Any) -> bool:
    """A single finite number."""
    try:
        return value is not None and math.isfinite(value)
    except (TypeError, ValueError):
        return False


def _inner(results: Any) -> Any:
    """What the wrapper that labels results is around."""
    return getattr(results, "_results", results)
