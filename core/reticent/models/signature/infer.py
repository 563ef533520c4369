"""Model signatures as MLmodel has them: the columns or tensors that a model takes and gives, and its params of inference.

Read from types and the first rows: no copy, no pass over the data, no import of a framework that is not already imported.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from reticent.models.signature.kinds import ANY, FIRST_ROWS, Spec, common, is_missing, kind_of, of_dtype
from reticent.models.signature.params import params_schema
from reticent.models.signature.tensors import form, is_a, is_array

MOST_TENSORS = 64
"""A longer list of arrays is one of rows, rather than of a model's inputs."""


def signature(inputs: object, outputs: object, params: Mapping[str, Any] | None = None) -> dict[str, str | None] | None:
    """What MLmodel has under `signature`; None if there are no params and the inputs are of no kind that can be described.

    TypeError for a param of inference that MLmodel cannot hold.
    """
    taken, given = schema(inputs), schema(outputs)
    if taken is None and not params:
        return None
    return {"inputs": _json(taken), "outputs": _json(given), "params": _json(params_schema(params) if params else None)}


def schema(data: Any) -> list[Spec] | None:
    """A list of column or tensor specifications; None for no data and for kinds of data that have none.

    Several tensors in a list or tuple are named `input_0`, `input_1` and so on.
    """
    if is_a(data, "pandas", "DataFrame"):
        return _columns(data)
    if is_a(data, "pandas", "Series"):
        name = None if data.name is None else _column_name(data.name)
        head = data.iloc[:FIRST_ROWS]
        return [_column(of_dtype(data.dtype, head), name, required=not head.isna().any())]
    if is_a(data, "pyarrow", "Table"):
        return _fields(data.slice(0, FIRST_ROWS))
    if is_a(data, "polars", "DataFrame"):
        head = data.head(FIRST_ROWS)
        return [_of_polars(head[name], name) for name in head.columns] or None
    if is_a(data, "polars", "Series"):
        return [_of_polars(data.head(FIRST_ROWS), data.name or None)]
    if is_array(data):
        return _tensors([(None, data)])
    if isinstance(data, Mapping) and data:
        return _named(data)
    if isinstance(data, (list, tuple)) and 0 < len(data) <= MOST_TENSORS and all(map(is_array, data)):
        return _tensors([(None, *data)] if len(data) == 1 else [(f"input_{i}", part) for i, part in enumerate(data)])
    if isinstance(data, list) and data:
        return _items(data[:FIRST_ROWS])
    return None


def _columns(frame: Any) -> list[Spec] | None:
    head = frame.iloc[:FIRST_ROWS]
    # A float column may have gaps further down, so what a row without it means is told by the rows at hand.
    gaps = head.isna().to_numpy().any(axis=0).tolist()
    specs = []
    for index, (name, dtype) in enumerate(zip(frame.columns, frame.dtypes, strict=True)):
        kind = of_dtype(dtype, head.iloc[:, index] if dtype.kind == "O" else ())
        specs.append(_column(kind, _column_name(name), required=not gaps[index]))
    return specs or None


def _column(kind: Spec, name: int | str | None, required: bool = True) -> Spec:
    # A column without a name cannot be optional.
    return {**kind, "name": name, "required": required} if name is not None else {**kind, "required": True}


def _column_name(name: object) -> int | str:
    return name if type(name) is int else str(name)


_ARROW = {
    "bool": "boolean",
    **dict.fromkeys(("int8", "int16", "int32", "uint8", "uint16"), "integer"),
    **dict.fromkeys(("int64", "uint32", "uint64"), "long"),
    **dict.fromkeys(("halffloat", "float"), "float"),
    "double": "double",
    **dict.fromkeys(("string", "large_string", "string_view"), "string"),
    **dict.fromkeys(("binary", "large_binary", "binary_view", "fixed_size_binary"), "binary"),
    **dict.fromkeys(("timestamp", "date32", "date64"), "datetime"),
}


def _fields(table: Any) -> list[Spec] | None:
    specs = []
    for field, column in zip(table.schema, table.columns, strict=True):
        name = _ARROW.get(str(getattr(field.type, "value_type", field.type)).partition("[")[0])
        kind = {"type": name} if name else ANY
        if "list" in str(field.type).partition("<")[0]:
            kind = {"type": "array", "items": kind}
        specs.append(_column(kind, field.name, required=column.null_count == 0))
    return specs or None


_POLARS = {
    "Boolean": "boolean",
    **dict.fromkeys(("Int8", "Int16", "Int32", "UInt8", "UInt16"), "integer"),
    **dict.fromkeys(("Int64", "UInt32", "UInt64"), "long"),
    "Float32": "float",
    "Float64": "double",
    **dict.fromkeys(("String", "Categorical", "Enum"), "string"),
    "Binary": "binary",
    **dict.fromkeys(("Date", "Datetime"), "datetime"),
}


def _of_polars(column: Any, name: str | None) -> Spec:
    outer = str(column.dtype).partition("(")[0]
    nested = outer in ("List", "Array")
    known = _POLARS.get(str(column.dtype.inner if nested else column.dtype).partition("(")[0])
    kind = {"type": known} if known else ANY
    return _column({"type": "array", "items": kind} if nested else kind, name, required=column.null_count() == 0)


def _tensors(tensors: Iterable[tuple[str | None, Any]]) -> list[Spec] | None:
    specs = []
    for name, tensor in tensors:
        described = form(tensor)
        if described is None:
            return None
        dtype, shape = described
        # The first extent is how many rows there are.
        spec: Spec = {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": [-1, *shape[1:]] if shape else []}}
        specs.append(spec if name is None else {"name": name, **spec})
    return specs


def _named(data: Mapping[Any, Any]) -> list[Spec] | None:
    # What a model of transformers gives has empty fields.
    present = {name: value for name, value in data.items() if value is not None}
    if present and all(map(is_array, present.values())):
        return _tensors((str(name), value) for name, value in present.items())
    return [_column(kind_of(value), str(name), required=not _has_gaps(value)) for name, value in data.items()]


def _has_gaps(value: Any) -> bool:
    return any(map(is_missing, value[:FIRST_ROWS])) if isinstance(value, list) else is_missing(value)


def _items(items: list[Any]) -> list[Spec]:
    if not all(isinstance(item, Mapping) for item in items):
        return [_column(common(items), None)]
    names = dict.fromkeys(name for item in items for name in item)
    specs = []
    for name in names:
        present = [item[name] for item in items if item.get(name) is not None]
        specs.append(_column(common(present), str(name), required=len(present) == len(items)))
    return specs


def _json(specs: list[Spec] | None) -> str | None:
    return None if specs is None else msgspec.json.encode(specs).decode()
