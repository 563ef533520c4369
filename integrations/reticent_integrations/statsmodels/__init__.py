"""statsmodels."""
