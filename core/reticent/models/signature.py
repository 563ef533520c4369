"""Model signatures as MLmodel has them: the columns or tensors that a model takes and gives.

Read from types and the first rows: no copy, no pass over the data, no import of a framework that is not already imported.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import msgspec

FIRST_ROWS = 100
"""Values are looked at in these rows only, where a dtype does not say all."""

_SCALARS = {bool: "boolean", int: "long", float: "double", str: "string", bytes: "binary", bytearray: "binary"}
_ANY = {"type": "any"}

Spec = dict[str, Any]


def signature(inputs: object, outputs: object) -> dict[str, str | None] | None:
    """What MLmodel has under `signature`; None if the inputs are of no kind that can be described."""
    taken = schema(inputs)
    if taken is None:
        return None
    given = schema(outputs)
    return {"inputs": _json(taken), "outputs": None if given is None else _json(given), "params": None}


def schema(data: Any) -> list[Spec] | None:
    """A list of column or tensor specifications; None for no data and for kinds of data that have none."""
    if is_a(data, "pandas", "DataFrame"):
        return _columns(data)
    if is_a(data, "pandas", "Series"):
        name = None if data.name is None else _column_name(data.name)
        return [_column(_dtype(data.dtype, data.iloc[:FIRST_ROWS]), name)]
    if is_a(data, "numpy", "ndarray"):
        return _tensors([(None, data.dtype, data.shape)])
    if is_sparse(data):
        return _tensors([(None, data.dtype, data.shape)])
    if isinstance(data, Mapping) and data:
        if all(is_a(value, "numpy", "ndarray") for value in data.values()):
            return _tensors((str(name), value.dtype, value.shape) for name, value in data.items())
        return [_column(_kind(value), str(name)) for name, value in data.items()]
    if isinstance(data, list) and data:
        return _items(data[:FIRST_ROWS])
    return None


def is_a(value: object, module: str, name: str) -> bool:
    """Whether `value` is an instance of a class of a module, which need not be installed."""
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(value, kind)


def is_sparse(value: object) -> bool:
    """Whether `value` is one of scipy's sparse matrices or arrays."""
    module = sys.modules.get("scipy.sparse")
    return module is not None and hasattr(module, "issparse") and bool(module.issparse(value))


def _columns(frame: Any) -> list[Spec]:
    head = frame.iloc[:FIRST_ROWS]
    # A float column may have gaps further down, so what a row without it means is told by the rows at hand.
    gaps = head.isna().to_numpy().any(axis=0).tolist()
    specs = []
    for index, (name, dtype) in enumerate(zip(frame.columns, frame.dtypes, strict=True)):
        kind = _dtype(dtype, head.iloc[:, index] if dtype.kind == "O" else ())
        specs.append(_column(kind, _column_name(name), required=not gaps[index]))
    return specs


def _column(kind: Spec, name: int | str | None, required: bool = True) -> Spec:
    # A column without a name cannot be optional.
    return {**kind, "name": name, "required": required} if name is not None else {**kind, "required": True}


def _column_name(name: object) -> int | str:
    return name if type(name) is int else str(name)


def _dtype(dtype: Any, head: Iterable[Any]) -> Spec:
    """The type of a column by its dtype, and by its first values where the dtype is `object`."""
    kind, size = dtype.kind, getattr(dtype, "itemsize", 8)
    if hasattr(dtype, "categories"):
        categories = dtype.categories
        return _dtype(categories.dtype, categories[:FIRST_ROWS])
    if kind == "b":
        return {"type": "boolean"}
    if kind in "iu":
        return {"type": "integer" if size < 4 or (size == 4 and kind == "i") else "long"}
    if kind == "f":
        return {"type": "float" if size <= 4 else "double"}
    if kind == "M":
        return {"type": "datetime"}
    if kind in "UT" or getattr(dtype, "name", "") in ("string", "str"):
        return {"type": "string"}
    if kind == "S":
        return {"type": "binary"}
    if kind == "O":
        return _common([value for value in head if not _missing(value)])
    return _ANY


def _tensors(tensors: Iterable[tuple[str | None, Any, tuple[int, ...]]]) -> list[Spec] | None:
    specs = []
    for name, dtype, shape in tensors:
        if dtype.fields is not None:
            return None
        # Texts are of any length, whatever these ones are.
        plain = {"U": "str", "S": "bytes"}.get(dtype.kind, dtype.name)
        spec: Spec = {"type": "tensor", "tensor-spec": {"dtype": plain, "shape": [-1, *map(int, shape[1:])]}}
        specs.append(spec if name is None else {"name": name, **spec})
    return specs


def _items(items: list[Any]) -> list[Spec]:
    if not all(isinstance(item, Mapping) for item in items):
        return [_column(_common(items), None)]
    names = dict.fromkeys(name for item in items for name in item)
    specs = []
    for name in names:
        present = [item[name] for item in items if item.get(name) is not None]
        specs.append(_column(_common(present), str(name), required=len(present) == len(items)))
    return specs


def _common(values: list[Any]) -> Spec:
    """The type that all of some values have."""
    kinds: list[Spec] = []
    for value in values:
        kind = _kind(value)
        if kind not in kinds:
            kinds.append(kind)
    return kinds[0] if len(kinds) == 1 else _ANY


def _kind(value: Any) -> Spec:
    scalar = _SCALARS.get(type(value))
    if scalar is not None:
        return {"type": scalar}
    if isinstance(value, date):
        return {"type": "datetime"}
    if isinstance(value, Mapping):
        properties = {str(name): {**_kind(item), "required": item is not None} for name, item in value.items()}
        return {"type": "object", "properties": properties} if properties else _ANY
    if isinstance(value, (list, tuple)):
        return {"type": "array", "items": _common(list(value[:FIRST_ROWS]))}
    dtype, shape = getattr(value, "dtype", None), getattr(value, "shape", None)
    if dtype is not None and isinstance(shape, tuple) and len(shape) <= 1 and dtype.kind != "O":
        kind = _dtype(dtype, ())
        return {"type": "array", "items": kind} if shape else kind
    return _ANY


def _missing(value: Any) -> bool:
    return value is None or (type(value) is float and value != value) or type(value).__name__ in ("NAType", "NaTType")


def _json(specs: list[Spec]) -> str:
    return msgspec.json.encode(specs).decode()
