"""What a loaded module or program gives for data, and the same as ONNX."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from reticent.models.signature.tensors import is_a


def predict(model: Any, data: Any, params: Mapping[str, Any]) -> Any:
    """Call it with the data as tensors (a dict's by keyword, a tuple's in order); arrays, of a frame a frame.

    Floats are converted to the dtype of the model's parameters, and a frame's numbers are floats, as in MLflow.
    """
    import torch

    module = callable_of(model)
    args, named = tensors(module, data)
    with _evaluating(module), torch.no_grad():
        outputs = module(*args, **named, **params)
    outputs = _arrays(outputs)
    if is_a(data, "pandas", "DataFrame") and getattr(outputs, "ndim", 0) in (1, 2):
        import pandas as pd

        return pd.DataFrame(outputs, index=data.index)
    return outputs


def to_onnx(model: Any, example: Any) -> bytes:
    """The model as ONNX, for batches of any size. ImportError if `onnxscript` is not installed."""
    import torch

    if is_program(model):
        program = torch.onnx.export(model, dynamo=True, verbose=False)
    else:
        module = callable_of(model)
        args, named = tensors(module, example)
        dynamic = [{0: torch.export.Dim.AUTO} for _ in args]
        with _evaluating(module), torch.no_grad():
            program = torch.onnx.export(
                module,
                args,
                kwargs=named,
                dynamo=True,
                dynamic_shapes=(*dynamic, *({0: torch.export.Dim.AUTO} for _ in named)),
                verbose=False,
            )
    file = io.BytesIO()
    program.save(file)
    return file.getvalue()


def is_program(model: Any) -> bool:
    return is_a(model, "torch.export.exported_program", "ExportedProgram")


def callable_of(model: Any) -> Any:
    return model.module() if is_program(model) else model


def tensors(module: Any, data: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Data as the arguments of a call, in order and named."""
    if isinstance(data, tuple):
        return tuple(_tensor(module, value) for value in data), {}
    if isinstance(data, Mapping):
        return (), {str(name): _tensor(module, value) for name, value in data.items()}
    return (_tensor(module, data),), {}


def _tensor(module: Any, data: Any) -> Any:
    import torch

    first = next(module.parameters(), None)
    device = "cpu" if first is None or first.is_meta else first.device
    floats = next((part.dtype for part in module.parameters() if part.is_floating_point()), torch.float32)
    if isinstance(data, torch.Tensor):
        return data.to(device)
    if is_a(data, "pandas", "DataFrame") or is_a(data, "pandas", "Series"):
        return torch.tensor(data.to_numpy(dtype="float64"), dtype=floats, device=device)
    import numpy as np

    array = np.asarray(data)
    return torch.tensor(array, dtype=floats if array.dtype.kind == "f" else None, device=device)


def _arrays(outputs: Any) -> Any:
    import torch

    if isinstance(outputs, torch.Tensor):
        if outputs.layout != torch.strided:
            outputs = outputs.to_dense()
        if outputs.is_quantized:
            outputs = outputs.dequantize()
        outputs = outputs.detach().cpu().resolve_conj().resolve_neg()
        if outputs.is_floating_point() and outputs.dtype not in (torch.float64, torch.float32, torch.float16):
            outputs = outputs.float()  # NumPy has no bfloat16
        return outputs.numpy()
    if isinstance(outputs, Mapping):
        return {name: _arrays(value) for name, value in outputs.items()}
    if isinstance(outputs, tuple | list):
        return [_arrays(value) for value in outputs]
    return outputs


@contextmanager
def _evaluating(module: Any) -> Iterator[None]:
    """In evaluation mode, and then again as it was. What was loaded is in it already."""
    training = [part for part in module.modules() if part.training]
    if not training:
        yield
        return
    try:
        with suppress(NotImplementedError):  # an exported program has no modes
            module.eval()
        yield
    finally:
        for part in training:
            part.training = True
