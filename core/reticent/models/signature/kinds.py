"""The types of values, as signatures name them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, TypeAlias

from reticent.models.signature.tensors import form, is_array, is_sparse

Spec: TypeAlias = dict[str, Any]

FIRST_ROWS = 100
"""Values are looked at in these rows only, where a dtype does not say all."""

ANY: Spec = {"type": "any"}
_UNKNOWN: Spec = {}
"""Of what is missing or empty: written as `ANY`, but any other type takes its place."""

_SCALARS = {
    bool: "boolean",
    int: "long",
    float: "double",
    Decimal: "double",
    str: "string",
    bytes: "binary",
    bytearray: "binary",
}


def kind_of(value: Any) -> Spec:
    """The type of one value."""
    return _written(_kind(value))


def common(values: Iterable[Any]) -> Spec:
    """The type that all of some values have."""
    return _written(_common(values))


def of_dtype(dtype: Any, head: Iterable[Any]) -> Spec:
    """The type of a column by its dtype, and by its first values where the dtype is `object`."""
    kind, size = dtype.kind, getattr(dtype, "itemsize", 8)
    if hasattr(dtype, "categories"):
        categories = dtype.categories
        return of_dtype(categories.dtype, categories[:FIRST_ROWS])
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
        return common(head)
    return ANY


def is_missing(value: Any) -> bool:
    return (
        value is None or (isinstance(value, float) and value != value) or type(value).__name__ in ("NAType", "NaTType")
    )


def _kind(value: Any) -> Spec:
    """The type of one value."""
    if is_missing(value):
        return _UNKNOWN
    scalar = _SCALARS.get(type(value))
    if scalar is not None:
        return {"type": scalar}
    if isinstance(value, date):
        return {"type": "datetime"}
    if isinstance(value, Mapping):
        return _object(value) if value else _UNKNOWN
    if isinstance(value, (list, tuple)):
        return {"type": "array", "items": _common(value[:FIRST_ROWS])} if value else _UNKNOWN
    if (is_array(value) and not is_sparse(value)) or hasattr(value, "dtype"):
        return _of_array(value)
    for base, name in _SCALARS.items():
        if isinstance(value, base):
            return {"type": name}
    return ANY


def _common(values: Iterable[Any]) -> Spec:
    """The type that all of some values have."""
    kind = _UNKNOWN
    for value in values:
        kind = _merged(kind, _kind(value))
    return kind


def _object(value: Mapping[Any, Any]) -> Spec:
    kinds = {str(name): _kind(item) for name, item in value.items()}
    return {
        "type": "object",
        "properties": {name: {**kind, "required": kind != _UNKNOWN} for name, kind in kinds.items()},
    }


def _of_array(value: Any) -> Spec:
    """Nested arrays, as JSON will have them."""
    try:
        form_of = form(value)
    except AttributeError:
        return ANY
    if form_of is None:
        return ANY
    name, shape = form_of
    if name == "object":
        return {"type": "array", "items": _common(value.tolist()[:FIRST_ROWS])} if len(shape) == 1 else ANY
    kind: Spec = {"type": _NAMES[name]} if name in _NAMES else ANY
    if name.startswith("datetime64"):
        kind = {"type": "datetime"}
    for _ in shape:
        kind = {"type": "array", "items": kind}
    return kind


_NAMES = {
    **dict.fromkeys(("int8", "int16", "int32", "uint8", "uint16"), "integer"),
    **dict.fromkeys(("int64", "uint32", "uint64"), "long"),
    **dict.fromkeys(("float16", "float32"), "float"),
    "float64": "double",
    "bool": "boolean",
    "str": "string",
    "bytes": "binary",
}


def _merged(one: Spec, other: Spec) -> Spec:
    """The type that suits values of two types."""
    if _UNKNOWN in (one, other):
        return one or other
    kinds = {one["type"], other["type"]}
    if one == other:
        return one
    if kinds == {"array"}:
        return {"type": "array", "items": _merged(one["items"], other["items"])}
    if kinds == {"object"}:
        return {"type": "object", "properties": _merged_properties(one["properties"], other["properties"])}
    if kinds <= {"integer", "long", "float", "double"}:
        return {"type": "long" if kinds <= {"integer", "long"} else "double"}
    return ANY


def _merged_properties(one: Spec, other: Spec) -> Spec:
    absent: Spec = {"required": False}
    merged = {}
    for name in {**one, **other}:
        mine, yours = dict(one.get(name, absent)), dict(other.get(name, absent))
        required = all((mine.pop("required"), yours.pop("required")))
        merged[name] = {**_merged(mine, yours), "required": required}
    return merged


def _written(kind: Spec) -> Spec:
    written = {**ANY, **kind}
    if "items" in kind:
        written["items"] = _written(kind["items"])
    if "properties" in kind:
        written["properties"] = {name: _written(part) for name, part in kind["properties"].items()}
    return written
