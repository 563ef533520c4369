"""What a user may choose of this integration."""

from __future__ import annotations

from reticent.patching import Options
from reticent.patching.options import Positive


class CatBoostOptions(Options, frozen=True, forbid_unknown_fields=True, kw_only=True):
    callback_iterations: Positive = 100
    """Up to how many iterations metrics are logged by a callback. For each iteration CatBoost hands it all metrics from
    the first one on, which adds seconds to 1000 iterations: of longer trainings its own training log is followed."""
