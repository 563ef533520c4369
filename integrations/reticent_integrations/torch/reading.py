"""Reading a model's tensors again: every length and offset that the file gives is checked before it is used."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, BinaryIO

from reticent_integrations.torch.tensors import COMPRESSED, DTYPES, TABLE, Tensor

_MAX_HEADER = 100_000_000
_NAMES = {stored: name for name, stored in DTYPES.items()}


def read(path: Path) -> dict[str, Tensor]:
    """The tensors by their names, each in memory of its own unless they shared it. ValueError if the file is damaged."""
    with path.open("rb") as file:
        size = path.stat().st_size
        header, start = _header(file, size)
        metadata = header.pop("__metadata__", {})
        parts = _parts(file, header, size - start)
    table = json.loads(metadata.get(TABLE, "{}"))
    tensors: dict[str, Tensor] = {}
    for name in table or parts:
        _build(name, table or {name: {} for name in parts}, parts, tensors)
    return tensors


def _header(file: BinaryIO, size: int) -> tuple[dict[str, Any], int]:
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > min(_MAX_HEADER, size - 8):
        raise ValueError("the file of tensors is cut off, or none: its header does not fit in")
    try:
        header = json.loads(file.read(length))
    except (ValueError, RecursionError):
        raise ValueError("the file of tensors is damaged: its header is not JSON") from None
    if not isinstance(header, dict):
        raise ValueError("the file of tensors is damaged: its header names no tensors")
    return header, 8 + length


def _parts(file: BinaryIO, header: dict[str, Any], size: int) -> dict[str, Tensor]:
    import torch

    checked = []
    for name, entry in header.items():
        try:
            dtype: Any = getattr(torch, _NAMES[entry["dtype"]])
            shape = [int(extent) for extent in entry["shape"]]
            begin, end = map(int, entry["data_offsets"])
        except (KeyError, TypeError, ValueError):
            raise ValueError(f"the file of tensors is damaged: {name!r} is not described as a tensor") from None
        if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != end - begin:
            raise ValueError(f"the file of tensors is damaged: {name!r} does not have the size of its shape")
        checked.append((begin, end, name, dtype, shape))
    parts, position = {}, 0
    for begin, end, name, dtype, shape in sorted(checked, key=lambda part: part[:3]):
        if begin != position or end > size:
            raise ValueError(f"the file of tensors is cut off or damaged: {name!r} is not where it should be")
        data = torch.empty(end - begin, dtype=torch.uint8, device="cpu")
        # NumPy sees bytes of any dtype; a file shorter than it was a moment ago is found by what was read.
        if file.readinto(data.numpy()) != end - begin:  # type: ignore[attr-defined]  # of every buffered file
            raise ValueError(f"the file of tensors is cut off within {name!r}")
        parts[name] = data.view(dtype).reshape(shape)
        position = end
    if position != size:
        raise ValueError("the file of tensors is damaged: there is more in it than its header says")
    return parts


def _build(name: str, table: dict[str, Any], parts: dict[str, Tensor], tensors: dict[str, Tensor]) -> Tensor:
    """The tensor of a name, made from the file's parts and from tensors that it consists of."""
    import torch

    if name in tensors:
        return tensors[name]
    entry = table[name]
    kind = entry.get("kind", "strided")
    needed = ("indices", "values", "scales", "zero_points", *COMPRESSED.get(kind, ()))
    # They are written before it in the table only by others, and never of a kind that has parts again.
    simple = {key: table[entry[key]].get("kind", "strided") == "strided" for key in needed if key in entry}
    if not all(simple.values()):
        raise ValueError(f"the tensor {name!r} is made of tensors that are made of others")
    own = {key: _build(entry[key], table, parts, tensors) for key in simple}
    if kind == "strided":
        tensor = _strided(entry, parts[entry.get("memory", name)])
    elif kind == "meta":
        tensor = torch.empty(entry["shape"], dtype=dtype_named(entry["dtype"]), device="meta")
    elif kind == "quantized":
        tensor = _quantized(entry, own)
    elif kind == "sparse_coo":
        tensor = torch.sparse_coo_tensor(
            own["indices"], own["values"], entry["shape"], is_coalesced=entry["coalesced"], check_invariants=True
        )
    elif kind in COMPRESSED:
        first, second = (own[key] for key in COMPRESSED[kind])
        tensor = torch.sparse_compressed_tensor(
            first, second, own["values"], entry["shape"], layout=getattr(torch, kind), check_invariants=True
        )
    else:
        raise ValueError(f"the tensor {name!r} is of a kind that is not known: {kind!r}")
    requires_grad = bool(entry.get("requires_grad"))
    if entry.get("parameter"):
        tensor = torch.nn.Parameter(tensor, requires_grad=requires_grad)
    elif requires_grad:
        tensor.requires_grad_()
    tensors[name] = tensor
    return tensor


def _strided(entry: dict[str, Any], memory: Tensor) -> Tensor:
    import torch

    if "stride" not in entry:
        return memory.view(memory.shape)
    dtype = dtype_named(entry["dtype"])
    flat = memory.reshape(-1).view(torch.uint8)
    flat = flat[: len(flat) - len(flat) % dtype.itemsize].view(dtype)
    return flat.as_strided(entry["shape"], entry["stride"], entry.get("offset", 0))  # which stays within its memory


def _quantized(entry: dict[str, Any], own: dict[str, Tensor]) -> Tensor:
    import torch

    if "scale" in entry:
        return torch._make_per_tensor_quantized_tensor(own["values"], float(entry["scale"]), int(entry["zero_point"]))
    return torch._make_per_channel_quantized_tensor(
        own["values"], own["scales"], own["zero_points"], int(entry["axis"])
    )


def dtype_named(name: str) -> Any:
    import torch

    dtype = getattr(torch, name, None)
    if not isinstance(dtype, torch.dtype):
        raise ValueError(f"this torch has no dtype {name!r}")
    return dtype
