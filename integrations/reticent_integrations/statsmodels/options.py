"""What a user may choose of this integration."""

from __future__ import annotations

from reticent.patching import Options
from reticent.patching.options import Positive


class StatsmodelsOptions(Options, frozen=True, forbid_unknown_fields=True, kw_only=True):
    summary: bool = True
    """Log the summary of the results as text."""
    max_model_mb: Positive = 200
    """Up to how many MB of data results are logged as a model: statsmodels saves them with their data."""
