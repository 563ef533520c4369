"""A model's tensors in a file of the safetensors format, written straight from their memory.

Every tensor has a name. What the format has no words for (strides, shared memory, sparse and quantized tensors, which of
them are parameters) is a table in the file's metadata. Other readers of the format see dense tensors of these names.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from reticent.files import open_private
from reticent_integrations.torch import memory

Tensor: TypeAlias = Any
"""A torch.Tensor: torch is not imported before there is one."""

TABLE = "reticent.tensors"
"""The key of the table in the file's metadata."""

DTYPES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
    "complex64": "C64",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint64": "U64",
    "uint32": "U32",
    "uint16": "U16",
    "uint8": "U8",
    "bool": "BOOL",
}
"""Of torch's dtypes those that the format has; others are stored as bytes."""

COMPRESSED = {
    "sparse_csr": ("crow_indices", "col_indices"),
    "sparse_bsr": ("crow_indices", "col_indices"),
    "sparse_csc": ("ccol_indices", "row_indices"),
    "sparse_bsc": ("ccol_indices", "row_indices"),
}


class UnstorableError(Exception):
    """A tensor is of a kind that only its own class knows how to keep."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A piece of the file."""

    dtype: str
    shape: list[int]
    nbytes: int
    alignment: int
    write: Callable[[int], None]
    """Writes it to a descriptor."""


@dataclass(slots=True)
class TensorWriter:
    """Collects tensors, and then writes all of them at once."""

    table: dict[str, dict[str, Any]] = field(default_factory=dict)
    _names: dict[int, str] = field(default_factory=dict)
    _strided: dict[str, Tensor] = field(default_factory=dict)
    _kept: list[Tensor] = field(default_factory=list)

    def add(self, tensor: Tensor, name: str) -> str:
        """The name that a tensor has in the file: this one, or the one it was added by before."""
        known = self._names.get(id(tensor))
        if known is not None:
            return known
        unique, number = name or "tensor", 2
        while unique in self.table or unique == "__metadata__":
            unique, number = f"{name}#{number}", number + 1
        entry = self._entry(tensor, unique)
        if type(tensor).__name__ == "Parameter":
            entry["parameter"] = True
        if tensor.requires_grad:
            entry["requires_grad"] = True
        self.table[unique] = entry
        self._names[id(tensor)] = unique
        self._kept.append(tensor)  # so that its id is not given to another
        return unique

    def write(self, path: Path) -> None:
        """OSError if the disk is full."""
        parts = sorted(self._parts().items(), key=lambda part: -part[1].alignment)
        header: dict[str, Any] = {"__metadata__": {"format": "pt", TABLE: json.dumps(self.table)}}
        offset = 0
        for name, part in parts:
            header[name] = {
                "dtype": part.dtype,
                "shape": part.shape,
                "data_offsets": [offset, offset + part.nbytes],
            }
            offset += part.nbytes
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 64)
        descriptor = open_private(path, os.O_WRONLY | os.O_EXCL)
        try:
            memory.write_all(descriptor, memoryview(len(text).to_bytes(8, "little") + text))
            for _, part in parts:
                part.write(descriptor)
        finally:
            os.close(descriptor)

    def _entry(self, tensor: Tensor, name: str) -> dict[str, Any]:
        """What the table says of a tensor; its memory is noted, to be written later."""
        import torch

        own = vars(tensor).keys() - {"_is_param", "_is_buffer", "persistent"}
        if type(tensor) not in (torch.Tensor, torch.nn.Parameter) or own:
            raise UnstorableError(f"{name}: {type(tensor).__name__}")
        tensor = tensor.detach()
        layout = str(tensor.layout).partition(".")[2]
        shape = list(tensor.shape)
        if tensor.is_meta:
            return {"kind": "meta", "dtype": _name(tensor.dtype), "shape": shape}
        if tensor.is_quantized:
            return self._quantized(tensor, name)
        if layout == "strided":
            tensor = tensor.resolve_conj().resolve_neg()
            if memory.is_missing(tensor):
                raise UnstorableError(f"{name}: its memory is elsewhere")
            self._strided[name] = tensor
            self._kept.append(tensor)
            return {}
        if layout == "sparse_coo":
            entry = {"kind": layout, "shape": shape, "coalesced": tensor.is_coalesced()}
            return entry | self._added(name, indices=tensor._indices(), values=tensor._values())
        if layout in COMPRESSED:
            indices = {key: getattr(tensor, key)() for key in COMPRESSED[layout]}
            return {"kind": layout, "shape": shape} | self._added(name, **indices, values=tensor.values())
        raise UnstorableError(f"{name}: {layout}")

    def _quantized(self, tensor: Tensor, name: str) -> dict[str, Any]:
        import torch

        entry = {"kind": "quantized", "dtype": _name(tensor.dtype)}
        if tensor.dtype not in (torch.qint8, torch.quint8, torch.qint32):
            raise UnstorableError(f"{name}: {tensor.dtype}")
        if tensor.qscheme() == torch.per_tensor_affine:
            entry |= {"scale": tensor.q_scale(), "zero_point": tensor.q_zero_point()}
            return entry | self._added(name, values=tensor.int_repr())
        if tensor.qscheme() == torch.per_channel_affine:
            entry["axis"] = tensor.q_per_channel_axis()
            scales, points = tensor.q_per_channel_scales(), tensor.q_per_channel_zero_points()
            return entry | self._added(name, values=tensor.int_repr(), scales=scales, zero_points=points)
        raise UnstorableError(f"{name}: {tensor.qscheme()}")

    def _added(self, name: str, **parts: Tensor) -> dict[str, str]:
        return {key: self.add(part, f"{name}.{key}") for key, part in parts.items()}

    def _parts(self) -> dict[str, _Part]:
        """What is to be written; the table says from here on how the tensors lie in it."""
        parts = {}
        for group in memory.overlapping(self._strided):
            first, tensor = next(iter(group.items()))
            if all(_alike(one, tensor) for one in group.values()):
                parts[first], form = _part(tensor)
                for name in group:
                    self.table[name] |= form if name == first else {**form, "memory": first}
                continue
            start, end = memory.hull(group.values())
            parts[first] = _Part("U8", [end - start], end - start, 1, partial(memory.write, tensor, start, end - start))
            for name, one in group.items():
                offset = (one.data_ptr() - start) // one.element_size()
                self.table[name] |= {"memory": first, "offset": offset, **_form(one, one.stride())}
        return parts


def _alike(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are the same view of the same memory."""
    return one is other or all(
        (
            one.data_ptr() == other.data_ptr(),
            one.dtype == other.dtype,
            one.shape == other.shape,
            one.stride() == other.stride(),
        )
    )


def _part(tensor: Tensor) -> tuple[_Part, dict[str, Any]]:
    """A tensor that shares no memory, and what has to be said of it if that is not written as it is."""
    nbytes = tensor.nbytes
    whole = memory.is_whole(tensor)

    def write(descriptor: int) -> None:
        dense = tensor if whole else tensor.contiguous()
        memory.write(dense, dense.data_ptr(), nbytes, descriptor)

    dtype = DTYPES.get(_name(tensor.dtype))
    shape, form = list(tensor.shape), {}
    if whole and not tensor.is_contiguous():
        start, end = memory.span(tensor)
        nbytes = end - start
        shape, form = [nbytes // tensor.element_size()], _form(tensor, tensor.stride())
    elif dtype is None:
        form = _form(tensor, _row_major(tensor.shape))
    if dtype is None:
        dtype, shape = "U8", [nbytes]
    return _Part(dtype, shape, nbytes, tensor.element_size(), write), form


def _form(tensor: Tensor, stride: Sequence[int]) -> dict[str, Any]:
    return {"dtype": _name(tensor.dtype), "shape": list(tensor.shape), "stride": list(stride)}


def _row_major(shape: Any) -> list[int]:
    strides = [1]
    for extent in reversed(shape[1:]):
        strides.insert(0, strides[0] * max(extent, 1))
    return strides[: len(shape)]


def _name(dtype: Any) -> str:
    return str(dtype).partition(".")[2]
