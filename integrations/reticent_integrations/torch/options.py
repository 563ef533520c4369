"""What a user may choose of this integration."""

from __future__ import annotations

from typing import Annotated

import msgspec

from reticent.patching import Options

Count = Annotated[int, msgspec.Meta(ge=0)]


class TorchOptions(Options, frozen=True, forbid_unknown_fields=True, kw_only=True):
    grad_norm_every_n_steps: Count | None = None
    """In which steps the norm of the gradients is computed; 0: never; None: in every 10th, and in fewer where that takes
    more than a hundredth of a long training's time. Where the loop clips by it, it is there anyway."""
    histograms_every_n_steps: Count = 0
    """In which steps histograms of weights and gradients are made; 0: never."""
