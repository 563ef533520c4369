"""The first rows that a model is given by the loop itself, and what it makes of them: nothing is computed for that."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

from reticent import deferred
from reticent.guard import swallowed
from reticent.patching import tracing

ROWS = 5
MAX_CELLS = 1_000_000
"""Of rows that are wider than that, together, none are kept."""


class Example:
    """Sees one call of a model, by a hook that the model has no longer than that."""

    def __init__(self, model: Any) -> None:
        self.inputs: Any = None
        self.outputs: Any = None
        self.seen = False
        self._handle = model.register_forward_hook(self, with_kwargs=True)

    def __call__(self, model: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Any) -> None:  # noqa: ARG002 - as PyTorch calls it
        if self.seen or tracing.traced():
            return
        self.stop()
        with swallowed("torch integration (input example)"):
            self.inputs, self.outputs = _inputs(args, kwargs), _head(output)

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy of the model, made just now, does nothing in place of this, and can be read where Reticent is not."""
        return getattr, (nullcontext(), "__exit__")

    def stop(self) -> None:
        self.seen = True
        self._handle.remove()

    def told(self) -> dict[str, Any]:
        """Options of `log_model`."""
        if self.inputs is None:
            return {}
        from reticent.models.signature.infer import signature

        # Not the outputs themselves: the model has been trained since.
        return {"input_example": self.inputs, "signature": signature(self.inputs, self.outputs)}


def _inputs(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    parts = {str(number): _head(value) for number, value in enumerate(args)}
    parts |= {name: _head(value) for name, value in kwargs.items() if value is not None}
    tensors = {name: value for name, value in parts.items() if value is not None}
    if not tensors or len(tensors) < len(parts) or (args and kwargs):
        return None
    if kwargs:
        return tensors
    return next(iter(tensors.values())) if len(tensors) == 1 else tuple(tensors.values())


def _head(value: Any) -> Any:
    """The first rows of a tensor, copied; from a device without a wait for it. None where that cannot be, and of anything
    else."""
    if not hasattr(value, "detach") or not value.dim() or value.layout.__str__() != "torch.strided":
        return None
    head = value.detach()[:ROWS]
    if head.numel() > MAX_CELLS:
        return None
    if value.is_cpu:
        return head.clone()
    return head.to("cpu", non_blocking=True) if deferred.on_device(value) else None
