"""What a user may choose of this integration."""

from __future__ import annotations

from typing import Annotated

import msgspec

from reticent.patching import Options


class SklearnOptions(Options, frozen=True, forbid_unknown_fields=True, kw_only=True):
    training_metrics: bool = True
    """Predict the training data after a fit, and log metrics and curves of that."""
    max_children: Annotated[int, msgspec.Meta(ge=0)] = 50
    """Child runs of a search at most: of its first candidates, as they are done, and in the last place of the best."""
