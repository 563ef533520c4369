"""Which module the parameters of an optimizer are of, and what is said of it."""

from __future__ import annotations

import gc
import types
from collections.abc import Iterable
from typing import Any

from reticent.guard import tried
from reticent.patching import quiet

MAX_MODULES = 1000
"""The most lines of a summary."""
MAX_ITEMS = 100
_HARMLESS = (type(None), bool, int, float, complex, str, bytes, type, types.FunctionType, types.BuiltinFunctionType)
_PARTS = {"_parameters", "_buffers", "_modules"}


def owner(optimizer: Any, asked: Iterable[Any]) -> tuple[Any, list[Any]]:
    """Of the modules that were lately asked for their parameters, the oldest first, the one that has the most of the
    optimizer's; of several the smallest, of several of these the latest. None if none has any.

    Where several have a part each (groups of a backbone and of a head), it is the module that they are parts of. If there
    is none, they are told as well.
    """
    wanted = {id(one) for one in parameters(optimizer)}
    best, rank, left, parts = None, (0, 0), set(wanted), []
    for module in asked:
        own = _parameters(module)
        this = (len(own & wanted), -len(own))
        if this[0] and this >= rank:
            best, rank = module, this
        if own & left:
            left -= own
            parts.append(module)
    if rank[0] == len(wanted) or len(parts) < 2:
        return best, []
    whole = _whole(wanted)
    return (best, parts) if whole is None else (whole, [])


def _whole(wanted: set[int]) -> Any:
    """The smallest module there is that has all these parameters. Of several, the one of the fewest modules."""
    import torch

    best, rank = None, (0, 0)
    for one in gc.get_objects():
        if issubclass(type(one), torch.nn.Module):
            with tried():  # it may be half made, or a class of the user's with other `parameters`
                own = _parameters(one)
                if wanted <= own:
                    this = len(own), sum(1 for _ in one.modules())
                    if best is None or this < rank:
                        best, rank = one, this
    return best


def _parameters(module: Any) -> set[int]:
    with quiet():
        return {id(one) for one in module.parameters()}


def parameters(optimizer: Any) -> list[Any]:
    return [one for group in optimizer.param_groups for one in group["params"]]


def unwrapped(module: Any) -> Any:
    """The user's own module, in what compiles it or spreads it over devices."""
    wrapped = getattr(module, "_orig_mod", None)
    if wrapped is None and type(module).__module__.startswith("torch.nn.parallel"):
        wrapped = getattr(module, "module", None)
    return module if wrapped is None else unwrapped(wrapped)


def params(module: Any) -> dict[str, object]:
    with quiet():
        sizes = [(one.numel(), one.requires_grad) for one in module.parameters()]
    return {
        "model_class": type(unwrapped(module)).__name__,
        "num_parameters": sum(size for size, _ in sizes),
        "num_trainable_parameters": sum(size for size, trained in sizes if trained),
    }


def summary(module: Any) -> str:
    """A line for each module in a model: its name, its class, how many parameters of its own it has."""
    rows = [("name", "class", "parameters", "trainable")]
    module = unwrapped(module)
    modules = list(module.named_modules())
    for name, one in modules[:MAX_MODULES]:
        own = list(one._parameters.values())
        sizes = [(each.numel(), each.requires_grad) for each in own if each is not None]
        total, trainable = sum(size for size, _ in sizes), sum(size for size, trained in sizes if trained)
        rows.append((name or "(model)", type(one).__name__, f"{total:,}", f"{trainable:,}"))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    if len(modules) > MAX_MODULES:
        lines.append(f"and {len(modules) - MAX_MODULES} more")
    total, trainable = (params(module)[name] for name in ("num_parameters", "num_trainable_parameters"))
    return "\n".join([*lines, "", f"{total:,} parameters, {trainable:,} of them trainable", ""])


def may_be_kept(module: Any) -> bool:
    """Whether nothing in a model can lead to its optimizer, so that to keep the one keeps not the other."""
    import torch

    harmless = (*_HARMLESS, torch.Tensor, torch.nn.Module, torch.dtype, torch.device, torch.Size)

    def is_harmless(value: Any) -> bool:
        if isinstance(value, dict):
            return len(value) <= MAX_ITEMS and all(map(is_harmless, value.values()))
        if isinstance(value, (list, tuple, set, frozenset)):
            return len(value) <= MAX_ITEMS and all(map(is_harmless, value))
        if isinstance(value, types.FunctionType):
            return value.__closure__ is None
        return isinstance(value, harmless)

    return all(
        is_harmless(value) for one in module.modules() for name, value in list(vars(one).items()) if name not in _PARTS
    )


def is_compiled(module: Any) -> bool:
    """Whether a hook on a model would have it, or a part of it, compiled anew, or cannot be put on what is compiled."""
    import torch

    return isinstance(module, torch.jit.ScriptModule) or any(
        hasattr(one, "_orig_mod") or getattr(one, "_compiled_call_impl", None) is not None for one in module.modules()
    )
