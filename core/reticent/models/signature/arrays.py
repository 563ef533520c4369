"""Tensors of a signature enforced: arrays of the shapes and dtypes that the model takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from reticent.models.signature.conform import SchemaError, unsuited
from reticent.models.signature.kinds import Spec
from reticent.models.signature.lossless import REASONS, LossyError, lossless
from reticent.models.signature.tensors import form, host, is_a, is_array, is_sparse, is_tensor


def enforce_tensors(data: Any, specs: list[Spec]) -> Any:
    """An array; of several inputs a dict by their names, or a list if they have none but `input_0`, `input_1` and so on.

    Arrays, sparse matrices and tensors are given back as they are if they suit. What has to be converted is an array.
    """
    names = [spec.get("name") for spec in specs]
    if names == [None]:
        return _tensor(data, specs[0], "the input")
    suited = _by_name(_named(data, [str(name) for name in names]), specs)
    unnamed = len(names) > 1 and names == [f"input_{index}" for index in range(len(names))]
    return list(suited.values()) if unnamed else suited


def _named(data: Any, names: list[str]) -> Any:
    if isinstance(data, Mapping) or (is_a(data, "pandas", "DataFrame") and set(names) <= set(data.columns)):
        return data
    if isinstance(data, (list, tuple)) and data and all(isinstance(row, Mapping) for row in data):
        return {name: [row[name] for row in data] for name in names if all(name in row for row in data)}
    if len(names) == 1:
        return {names[0]: data}
    if isinstance(data, (list, tuple)) and len(data) == len(names):
        return dict(zip(names, data, strict=True))
    raise SchemaError(
        f"the model takes the inputs {names}: give a dict with an array for each, or a list of {len(names)} arrays; "
        f"what was given is a {type(data).__name__}"
    )


def _by_name(data: Any, specs: list[Spec]) -> dict[str, Any]:
    missing = [spec["name"] for spec in specs if spec["name"] not in data]
    if missing:
        raise SchemaError(f"the model needs the inputs {missing}, which the data does not have")
    return {spec["name"]: _tensor(data[spec["name"]], spec, _where(spec)) for spec in specs}


def _where(spec: Spec) -> str:
    return f"the input {spec['name']!r}"


def _tensor(data: Any, spec: Spec, where: str) -> Any:
    dtype, shape = str(spec["tensor-spec"]["dtype"]), list(spec["tensor-spec"]["shape"])
    if is_array(data):
        return _array(data, dtype, shape, where)
    if isinstance(data, (list, tuple)) and len(data) == 1 and is_array(data[0]) and len(data[0].shape) == len(shape):
        return _array(data[0], dtype, shape, where)
    if is_a(data, "pandas", "DataFrame"):
        return _of_frame(data, dtype, shape, where)
    if is_a(data, "pandas", "Series"):
        return _of_column(data, dtype, shape, where)
    if is_a(data, "pyarrow", "Table") or is_a(data, "polars", "DataFrame"):
        return _of_frame(data.to_pandas(), dtype, shape, where)
    if isinstance(data, Mapping):
        raise unsuited(where, f"tensor of {dtype}", "dict", "the model takes one array, which has no name")
    return _array(_of_plain(data, dtype, where), dtype, shape, where)


def _array(array: Any, dtype: str, shape: list[int], where: str) -> Any:
    described = form(array)
    given, extents = described if described is not None else (str(array.dtype), list(array.shape))
    if dtype == "object" and shape == [-1]:
        return array
    if given == "object" and len(extents) == 1 and -1 in shape[1:]:  # rows that differ in length
        return array
    if len(extents) != len(shape) or any(-1 != want != have for want, have in zip(shape, extents, strict=True)):
        raise SchemaError(f"{where} must have the shape {shape}, but has {extents}; -1 stands for any extent")
    if given == dtype:
        return array
    try:
        if is_sparse(array):
            suited = array.copy()
            suited.data = lossless(array.data, dtype)
            return suited
        return lossless(host(array) if is_tensor(array) else array, dtype)
    except (LossyError, TypeError) as error:
        hint = REASONS.get(str(error), REASONS["other"])
        raise unsuited(where, f"tensor of {dtype}", f"tensor of {given}", hint) from None


def _of_frame(frame: Any, dtype: str, shape: list[int], where: str) -> Any:
    if len(frame.columns) == 1:
        return _of_column(frame.iloc[:, 0], dtype, shape, where)
    values = frame.to_numpy()
    if values.dtype.kind == "O" and dtype != "object":
        values = _of_plain(values.tolist(), dtype, where)
    return _array(values, dtype, shape, where)


def _of_column(column: Any, dtype: str, shape: list[int], where: str) -> Any:
    """The rows of a column are numbers, or each is an array: as it is, or flat."""
    values = column.to_numpy()
    if dtype == "object" and shape == [-1]:
        return values
    if values.dtype.kind == "O":
        cells = [host(cell) if is_tensor(cell) else cell for cell in values]
        arrays = bool(cells) and all(is_array(cell) for cell in cells)
        values = _stacked(cells, where) if arrays else _of_plain(cells, dtype, where)
    if -1 not in shape[1:]:
        with suppress(ValueError):  # of a wrong shape, which is said below
            values = values.reshape(len(values), *shape[1:])
    return _array(values, dtype, shape, where)


def _stacked(arrays: Sequence[Any], where: str) -> Any:
    import numpy as np

    try:
        return np.stack(arrays)
    except ValueError:
        raise SchemaError(f"{where} has rows that differ in shape: make them all of one shape") from None


def _of_plain(data: Any, dtype: str, where: str) -> Any:
    """An array of plain values. Their floats are of no width, so they may become narrow ones."""
    import numpy as np

    if dtype == "object":
        return np.asarray(data, dtype=object)
    try:
        values = np.asarray(data)
        if values.dtype.kind == "f" and np.dtype(dtype).kind == "f":
            return values.astype(dtype)
        if values.dtype.kind == "U" and np.dtype(dtype).kind == "M":
            return values.astype(dtype)
    except (ValueError, TypeError):
        hint = "it must be lists of numbers, all of one length"
        raise unsuited(where, f"tensor of {dtype}", type(data).__name__, hint) from None
    if values.dtype.kind == "O":
        raise unsuited(where, f"tensor of {dtype}", "any", "it must be lists of values of one type, with none missing")
    return values if values.size else values.astype(dtype)
