"""What a user may choose of this integration."""

from __future__ import annotations

from typing import Literal

from reticent.patching import Options

Importance = Literal["weight", "gain", "cover", "total_gain", "total_cover"]


class XGBoostOptions(Options, frozen=True, forbid_unknown_fields=True, kw_only=True):
    importance_types: tuple[Importance, ...] = ("weight", "gain", "cover", "total_gain", "total_cover")
    """Feature importances to log, of those that `Booster.get_score` knows; none: no importances."""
