"""statsmodels: least squares by a formula, on the longley data."""

from __future__ import annotations


def train() -> str:
    """Fit a regression; what came of it."""
    import statsmodels.formula.api as smf
    from statsmodels.datasets import longley

    table = longley.load_pandas().data
    results = smf.ols("TOTEMP ~ GNP + UNEMP + ARMED + YEAR", data=table).fit(cov_type="HC1")
    return f"R² is {results.rsquared:.3f}, and {(results.pvalues < 0.05).sum()} of 5 coefficients are told from zero"
