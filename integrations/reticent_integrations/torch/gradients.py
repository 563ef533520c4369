"""The norm of gradients, and histograms of gradients and weights: read where they are, without a wait for a device."""

from __future__ import annotations

import time
from typing import Any

from reticent.patching import Capture

BINS = 32
MAX_VALUES = 10_000
"""Of a larger tensor, so many values make the histogram."""
MAX_TENSORS = 200
WAIT_S = 10.0
"""So long the background waits for values to arrive from a device."""


def mean(losses: list[Any]) -> Any:
    """The mean of the losses of one step; if they are on a device, so is this. None if one cannot be read."""
    if any(loss is None for loss in losses):
        return None
    if all(isinstance(loss, float) for loss in losses):
        return sum(losses) / len(losses)
    import torch

    with torch.no_grad():
        first = next(loss for loss in losses if not isinstance(loss, float))
        return torch.stack([torch.as_tensor(loss, device=first.device).float() for loss in losses]).mean()


def norm(optimizer: Any) -> Any:
    """The norm of all gradients of an optimizer, as of one long vector. None where that is more than adding up: sparse
    gradients, and those that are spread over processes."""
    import torch

    found = [one.grad for group in optimizer.param_groups for one in group["params"] if one.grad is not None]
    if not found or any(type(one) is not torch.Tensor or one.layout is not torch.strided for one in found):
        return None
    device = found[0].device
    if device.type not in ("cpu", "cuda") or any(one.device != device for one in found):
        return None
    with torch.no_grad():
        norms = torch._foreach_norm(found)
        total = torch.linalg.vector_norm(torch.stack([one.float() for one in norms]))
    return total.item() if device.type == "cpu" else total


def log_histograms(capture: Capture, optimizer: Any, model: Any, prefix: str, step: int) -> None:
    """Log histograms of the weights that an optimizer trains, and of their gradients; counted in the background."""
    import torch

    names = {} if model is None else {id(one): name for name, one in model.named_parameters()}
    trained = [one for group in optimizer.param_groups for one in group["params"]][:MAX_TENSORS]
    samples: dict[str, dict[str, Any]] = {"weights": {}, "gradients": {}}
    with torch.no_grad():
        for number, one in enumerate(trained):
            name = names.get(id(one), f"parameter_{number}")
            for kind, tensor in (("weights", one), ("gradients", one.grad)):
                if tensor is not None and tensor.layout is torch.strided and tensor.device.type in ("cpu", "cuda"):
                    samples[kind][name] = sample(tensor)
    event = None
    if any(one.device.type == "cuda" for one in trained):
        event = torch.cuda.Event()
        event.record()

    def log() -> None:
        deadline = time.monotonic() + WAIT_S
        while event is not None and not event.query():
            if time.monotonic() > deadline:
                return
            time.sleep(0.001)
        told = {kind: {name: histogram(one) for name, one in found.items()} for kind, found in samples.items()}
        capture.log_dict({"step": step, **told}, f"{prefix}histograms/step_{step}.json")

    capture.in_background("histograms", log)


def sample(tensor: Any) -> Any:
    """A copy of some of a tensor's values in the host's memory, on its way there from a device."""
    flat = tensor.detach().reshape(-1)
    flat = flat[:: max(1, -(-flat.numel() // MAX_VALUES))]
    return flat.clone() if flat.device.type == "cpu" else flat.to("cpu", non_blocking=True)


def histogram(values: Any) -> dict[str, Any]:
    """Of a tensor in the host's memory: counts, edges, and how many values are infinite or no number."""
    import numpy as np

    numbers = values.float().numpy()
    finite = numbers[np.isfinite(numbers)]
    counts, edges = np.histogram(finite, bins=BINS)
    return {
        "counts": counts.tolist(),
        "edges": edges.tolist(),
        "not_finite": int(numbers.size - finite.size),
    }
