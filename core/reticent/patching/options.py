"""What every integration lets a user choose."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Patterns = tuple[Annotated[str, msgspec.Meta(min_length=1)], ...]
Positive = Annotated[int, msgspec.Meta(ge=1)]


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An integration adds its own in a subclass."""

    log_models: bool = True
    log_datasets: bool = True
    log_examples: bool = True
    """Keep some rows of the training data as the model's input example, sealed."""
    checkpoints: Literal["both", "best", "last", "none"] = "both"
    """Which of the checkpoints that a training writes are kept; without a score, the last one is the best."""
    keep: Positive = 1
    """How many of the best, and how many of the last checkpoints."""
    include: Patterns = ("*",)
    exclude: Patterns = ()
    """Patterns (`*`, `?`, `[...]`) of the names of params, metrics, tags, artifacts, data sets and models."""
    every_n_steps: Positive = 1
    """Of metrics that have a point for every step, every n-th, and the last one."""
