"""Checkpoints that a loop writes with `torch.save` or safetensors: kept as they are when they are written."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, Literal

from reticent_integrations.torch.here import local

_BEST = re.compile(r"(?<![a-z])best(?![a-z])", re.IGNORECASE)


def saved(args: tuple[Any, ...], kwargs: Mapping[str, Any], _: None) -> None:
    """After `torch.save`, of which a model, a state or a dictionary with one in it makes a checkpoint."""
    import torch

    thing = args[0] if args else kwargs["obj"]
    if isinstance(thing, (Mapping, torch.nn.Module)):
        _note(args[1] if len(args) > 1 else kwargs["f"])


def saved_tensors(args: tuple[Any, ...], kwargs: Mapping[str, Any], _: None) -> None:
    """After `safetensors.torch.save_file`, to which `save_model` comes too."""
    _note(args[1] if len(args) > 1 else kwargs["filename"])


def _note(place: Any) -> None:
    training = local.here.training
    if training is None or training.over or not isinstance(place, (str, os.PathLike)) or not os.path.isfile(place):
        return
    name = os.path.basename(place)
    # Of what is saved as the best each takes the place of one that was not as good. How good it is only the loop knows.
    mode: Literal["min", "newest"] = "newest" if _BEST.search(name) else "min"
    monitor = "saved as best" if mode == "newest" else ""
    training.capture.log_checkpoint(place, training.global_step, monitor=monitor, mode=mode, part=name)
