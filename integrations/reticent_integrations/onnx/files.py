"""ONNX models in files: in one, or the large tensors of a large model in a second one, as protobuf ends at 2 GB."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reticent.files import inside

ONE_FILE = 1 << 30
"""Bytes of tensors that are written into the model's own file. More of them are written one by one: never all copied."""

LARGE = 1 << 10
"""Bytes from which on a tensor is one of those."""


def write(model: Any, path: Path) -> None:
    """Write a model, which stays as it is: what `onnx.save` writes into a second file, it takes out of the model."""
    if away := [tensor.name for tensor in tensors(model) if _is_external(tensor)]:
        raise ValueError(
            f"the tensor {away[0]!r} of the model is in another file; load the model with its data, "
            "by onnx.load(path), not onnx.load(path, load_external_data=False)"
        )
    if sum(map(_size, model.graph.initializer)) <= ONE_FILE:
        path.write_bytes(model.SerializeToString())
    else:
        path.write_bytes(_with_data_in(model, path.with_name(f"{path.name}.data")).SerializeToString())


def read(path: Path) -> Any:
    """A model of unknown origin. ValueError if its data are said to be outside of its directory."""
    import onnx

    model = onnx.load(path, load_external_data=False)
    for tensor in tensors(model):
        if _is_external(tensor):
            inside(path.parent, next((entry.value for entry in tensor.external_data if entry.key == "location"), ""))
    onnx.load_external_data_for_model(model, str(path.parent))
    if left := [tensor.name for tensor in tensors(model) if _is_external(tensor)]:
        raise ValueError(f"the tensor {left[0][:100]!r} has its data where none are looked for")
    return model


def tensors(message: Any) -> Iterator[Any]:
    """Every tensor of a model, wherever it is."""
    if type(message).__name__ == "TensorProto":
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in value if hasattr(value, "extend") else [value]:
                yield from tensors(part)


def _with_data_in(model: Any, path: Path) -> Any:
    """A copy of a model without the data of its large tensors, which are written."""
    copy = type(model)()
    for field, value in model.ListFields():
        if field.name != "graph":
            _copy_field(copy, field.name, value)
    for field, value in model.graph.ListFields():
        if field.name != "initializer":
            _copy_field(copy.graph, field.name, value)
    with path.open("wb") as file:
        for tensor in model.graph.initializer:
            target = copy.graph.initializer.add()
            if not tensor.HasField("raw_data") or _size(tensor) < LARGE:
                target.CopyFrom(tensor)
                continue
            target.dims.extend(tensor.dims)
            for name in ("data_type", "name", "doc_string"):
                if tensor.HasField(name):
                    setattr(target, name, getattr(tensor, name))
            if hasattr(tensor, "metadata_props"):  # not in every version of ONNX
                target.metadata_props.extend(tensor.metadata_props)
            file.write(bytes(-file.tell() % 64))  # so that runtimes may map it
            start = file.tell()
            length = file.write(tensor.raw_data)
            target.data_location = target.EXTERNAL
            for key, value in (("location", path.name), ("offset", start), ("length", length)):
                target.external_data.add(key=key, value=str(value))
    return copy


def _copy_field(target: Any, name: str, value: Any) -> None:
    if hasattr(value, "extend"):
        getattr(target, name).extend(value)
    elif hasattr(value, "CopyFrom"):
        getattr(target, name).CopyFrom(value)
    else:
        setattr(target, name, value)


def _is_external(tensor: Any) -> bool:
    return bool(tensor.data_location == tensor.EXTERNAL)


def _size(tensor: Any) -> int:
    import onnx

    try:
        itemsize = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    except (KeyError, TypeError):  # of no type that numpy has
        itemsize = 8
    return int(itemsize * math.prod(tensor.dims))
