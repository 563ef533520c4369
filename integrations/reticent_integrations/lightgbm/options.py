"""What a user may choose of this integration."""

from __future__ import annotations

from typing import Literal

from reticent.patching import Options


class LightGBMOptions(Options, frozen=True, forbid_unknown_fields=True, kw_only=True):
    importance_types: tuple[Literal["split", "gain"], ...] = ("split", "gain")
    """Feature importances to log; none: no importances."""
