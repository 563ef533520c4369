"""What a user may choose of this integration."""

from __future__ import annotations

from typing import Annotated

import msgspec

from reticent.patching import Options


class KerasOptions(Options, frozen=True, forbid_unknown_fields=True, kw_only=True):
    checkpoint_mb: Annotated[float, msgspec.Meta(ge=0)] = 50
    """Weights up to this size are copied after each epoch for a checkpoint, if the training writes none itself."""
