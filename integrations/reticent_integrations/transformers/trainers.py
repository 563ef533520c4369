"""What a Trainer says of itself and of its metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal


def run_name(trainer: Any, method: str) -> str:
    """What the user calls the run in its arguments; TrainingArguments itself may have called it as its directory."""
    named = getattr(trainer.args, "run_name", None)
    if named and named != trainer.args.output_dir and method == "train":
        return str(named)
    return f"{type(trainer).__name__}.{method}"


def monitored(args: Any) -> tuple[str, Literal["min", "max"]]:
    """The metric by which checkpoints are compared, and which is better; the loss, if none is named."""
    name = args.metric_for_best_model or "loss"
    mode: Literal["min", "max"] = "max" if args.metric_for_best_model and args.greater_is_better else "min"
    return name if name.startswith("eval_") else f"eval_{name}", mode


def numbers(logs: Mapping[str, Any]) -> dict[str, Any]:
    """What can be a metric: numbers, and tensors and arrays of one number, which are not read here."""
    return {name: value for name, value in logs.items() if isinstance(value, (int, float)) or _is_scalar(value)}


def samples(metrics: Mapping[str, float] | None, split: str) -> int:
    """How many samples a phase went through, by what the Trainer says of its speed; 0 if it says nothing."""
    told = metrics or {}
    return round(told.get(f"{split}_samples_per_second", 0) * told.get(f"{split}_runtime", 0))


def _is_scalar(value: Any) -> bool:
    shape = getattr(value, "shape", None)
    return shape is not None and hasattr(value, "item") and all(extent == 1 for extent in shape)
