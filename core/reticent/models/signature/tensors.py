"""Arrays and tensors of any framework, told by their types: no import, no value read, no device waited for."""

from __future__ import annotations

import sys
from typing import Any

_TENSORS = (
    ("torch", "Tensor"),
    ("tensorflow", "Tensor"),
    ("tensorflow", "Variable"),
    ("tensorflow", "TensorSpec"),
    ("keras", "KerasTensor"),
    ("keras", "Variable"),
    ("jax", "Array"),
    ("jax", "ShapeDtypeStruct"),
)

_SYMBOLS = (
    ("tensorflow", "TensorSpec"),
    ("keras", "KerasTensor"),
    ("jax", "ShapeDtypeStruct"),
    ("jax.core", "Tracer"),
)

_FLOATS = ("float16", "float32", "float64")
_WHOLE = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
_IN_NUMPY = {
    **{name: name for name in (*_FLOATS, *_WHOLE, "complex64", "complex128")},
    # What numpy lacks is named after the narrowest type of its that holds the same values.
    "bfloat16": "float32",
    "int2": "int8",
    "int4": "int8",
    "uint2": "uint8",
    "uint4": "uint8",
    "string": "object",
}


def is_a(value: object, module: str, name: str) -> bool:
    """Whether `value` is an instance of a class of a module, which need not be installed."""
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(value, kind)


def is_sparse(value: object) -> bool:
    """Whether `value` is one of scipy's sparse matrices or arrays."""
    module = sys.modules.get("scipy.sparse")
    return module is not None and hasattr(module, "issparse") and bool(module.issparse(value))


def is_tensor(value: object) -> bool:
    """Whether `value` is a tensor of torch, tensorflow, keras or jax, or stands for one."""
    return any(is_a(value, module, name) for module, name in _TENSORS)


def is_array(value: object) -> bool:
    """Whether `value` is an array of numpy, a tensor, or sparse."""
    return is_a(value, "numpy", "ndarray") or is_tensor(value) or is_sparse(value)


def has_values(tensor: Any) -> bool:
    """Whether a tensor is one, rather than a symbol or a description of one."""
    if any(is_a(tensor, module, name) for module, name in _SYMBOLS):
        return False
    device = getattr(tensor, "device", None)
    if getattr(device, "type", None) == "meta":
        return False
    return not is_a(tensor, "tensorflow", "Tensor") or hasattr(tensor, "numpy")


def form(value: Any) -> tuple[str, list[int]] | None:
    """The dtype of an array, as numpy names it, and its shape, with -1 for what is open; None if a signature has no words
    for it: structured arrays, handles of resources, tensors of no known rank."""
    name = _name(value.dtype)
    try:
        shape = [-1 if extent is None else int(extent) for extent in value.shape]
    except (TypeError, ValueError):
        return None
    return None if name is None else (name, shape)


def _name(dtype: Any) -> str | None:
    kind = getattr(dtype, "kind", None)
    # Texts are of any length, whatever these ones are.
    if kind in ("U", "T"):
        return "str"
    if kind == "S":
        return "bytes"
    name = str(getattr(dtype, "name", None) or dtype).rpartition(".")[2]
    if name.startswith(("float8_", "float6_", "float4_")):
        return "float32"
    if kind is None or kind == "V" or getattr(dtype, "fields", None) is not None:
        return _IN_NUMPY.get(name)
    return _IN_NUMPY.get(name, name)


def host(tensor: Any) -> Any:
    """A tensor's values as an array of numpy; they are copied if they are on a device."""
    import numpy as np

    if hasattr(tensor, "detach"):
        tensor = tensor.detach().cpu()
        if tensor.dtype.is_floating_point and str(tensor.dtype).rpartition(".")[2] not in _FLOATS:
            tensor = tensor.float()
        return tensor.resolve_conj().resolve_neg().numpy()
    values = np.asarray(tensor)
    return values.astype("float32") if values.dtype.kind == "V" else values
