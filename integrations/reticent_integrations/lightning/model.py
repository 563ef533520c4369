"""The module that was trained: what it is made of, and itself."""

from __future__ import annotations

from typing import Any

from reticent.patching import Capture

MAX_LINES = 2000
_SHARDED = ("FSDP", "DeepSpeed", "ModelParallel")
"""In the names of strategies that leave each device with a part of the module: to have it whole, all must take part."""


def unwrapped(module: Any) -> Any:
    """The user's own module, out of what `torch.compile` made of it."""
    return getattr(module, "_orig_mod", module)


def log(capture: Capture, trainer: Any, module: Any, example: Any) -> None:
    strategy = type(trainer.strategy).__name__
    if any(name in strategy for name in _SHARDED):
        capture.set_tags({"model_left_out": f"in parts on several devices ({strategy}); see its checkpoints"})
        return
    capture.log_model(module, input_example=None if example is None else example.cpu())


def log_summary(capture: Capture, trainer: Any, module: Any) -> dict[str, int]:
    """Log the parts of a module with their types and numbers of parameters; how many there are in all."""
    if "FSDP" in type(trainer.strategy).__name__:
        return {}  # its parameters have the sizes of this device's part
    sizes = {id(one): _size(one) for one in module.parameters()}
    trainable = sum(sizes[id(one)] for one in module.parameters() if one.requires_grad)
    rows = [("", type(module).__name__, sum(sizes.values()))]
    for name, part in module.named_modules():
        if name and len(rows) < MAX_LINES:
            rows.append((name, type(part).__name__, sum(sizes[id(one)] for one in part.parameters())))
    wide, wider = max(len(name) for name, _, _ in rows), max(len(kind) for _, kind, _ in rows)
    lines = [f"{name:<{wide}}  {kind:<{wider}}  {size:>14,}" for name, kind, size in rows]
    counts = {"num_parameters": sum(sizes.values()), "num_trainable_parameters": trainable}
    totals = [f"{name}: {count:,}" for name, count in counts.items()]
    capture.log_text("\n".join([*lines, "", *totals, ""]), "model_summary.txt")
    return counts


def _size(parameter: Any) -> int:
    """How many numbers a parameter has: all of them where DeepSpeed keeps a part; 0 while nothing says how many."""
    from torch.nn.parameter import is_lazy

    if is_lazy(parameter):
        return 0
    return int(getattr(parameter, "ds_numel", None) or parameter.numel())
