"""The first rows that a training gives its model, taken as they pass by: nothing is drawn from the user's data for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reticent.guard import swallowed
from reticent.models.example import ROWS


class FirstBatch:
    """The model's inputs by name, and the shape of what it gave, when it is called for the first time."""

    def __init__(self) -> None:
        self.inputs: dict[str, Any] = {}
        self.logits: Any = None
        """Without values."""
        self._handle: Any = None

    def await_from(self, trainer: Any) -> None:
        """Look at the next call of the model, and at no other one."""
        if trainer.args.torch_compile or trainer.args.n_gpu > 1 or not hasattr(trainer.model, "register_forward_hook"):
            return  # a hook would have the model compiled once more; replicas would share it
        self._handle = trainer.model.register_forward_hook(self._look, with_kwargs=True)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.remove()
            self._handle = None

    def _look(self, model: Any, args: tuple[Any, ...], inputs: Mapping[str, Any], output: Any) -> None:
        import torch

        self.stop()
        with swallowed("transformers integration (first batch)"):
            tensors = {name: value for name, value in inputs.items() if isinstance(value, torch.Tensor) and value.ndim}
            main = tensors.get(getattr(model, "main_input_name", "input_ids"), next(iter(tensors.values()), None))
            if main is None or args:
                return
            self.inputs = {
                name: value[:ROWS].detach().clone() for name, value in tensors.items() if len(value) == len(main)
            }
            logits = output.get("logits") if isinstance(output, Mapping) else None
            if isinstance(logits, torch.Tensor):
                self.logits = torch.empty(logits.shape, dtype=logits.dtype, device="meta")
