"""The data of a training, described without drawing a batch of it, and what is kept of the batches that are drawn."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from reticent.patching import Call, Capture
from reticent_integrations.torch import loaders

Role: TypeAlias = Literal["train", "eval", "test", "predict"]
_NAMES: dict[Role, str] = {"train": "train", "eval": "val", "test": "test", "predict": "predict"}
"""What Lightning calls them."""
EXAMPLE_ROWS = 5


def module(call: Call, loaders: str) -> Any:
    """The LightningDataModule of a call, if there is one: it may be given in the place of the loaders too."""
    given = call.get("datamodule")
    return call.get(loaders) if given is None else given


def log(capture: Capture, role: Role, found: Any) -> None:
    """Log the data of one loader, or of several that Lightning combines."""
    if found is None or not capture.options.log_datasets:
        return
    name = _NAMES[role]
    if isinstance(found, Mapping):
        named = {f"{name}_{key}": loader for key, loader in found.items()}
    elif isinstance(found, (list, tuple)) and len(found) > 1:
        named = {f"{name}_{number}": loader for number, loader in enumerate(found)}
    else:
        named = {name: found[0] if isinstance(found, (list, tuple)) and found else found}
    for one, loader in named.items():
        capture.log_dataset(one, role, loaders.describe(loader))


def rows(batch: Any) -> int:
    """How many samples a batch has, by its first tensor; 0 if that is not to be seen."""
    while isinstance(batch, (list, tuple, Mapping)) and batch:
        batch = next(iter(batch.values())) if isinstance(batch, Mapping) else batch[0]
    shape = getattr(batch, "shape", None)
    return int(shape[0]) if shape else 0


def example(module: Any, batch: Any) -> Any:
    """A copy of the first rows of what the module takes, if that is plain to see: a tensor, alone or with its targets, and
    a `forward` of one argument. It stays on its device."""
    import torch

    if isinstance(batch, (list, tuple)) and len(batch) in (1, 2):
        batch = batch[0]
    if not isinstance(batch, torch.Tensor) or batch.dim() == 0 or not _takes_one(module):
        return None
    return batch[:EXAMPLE_ROWS].detach().clone()


def _takes_one(module: Any) -> bool:
    """Whether the user's class has a `forward` that one argument is enough for."""
    owner = next(cls for cls in type(module).__mro__ if "forward" in vars(cls))
    if owner.__module__.partition(".")[0] in ("lightning", "pytorch_lightning"):
        return False
    parameters = list(inspect.signature(module.forward).parameters.values())
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [one for one in parameters if one.default is one.empty and one.kind in positional]
    return bool(parameters) and parameters[0].kind in positional and len(needed) <= 1
