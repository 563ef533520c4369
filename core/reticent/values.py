"""Any value to plain Python, and plain Python to stable text, without importing a framework.

`plain` knows other libraries' values by their type's module and methods only, so a value of a library that is not
installed costs nothing. The text of equal values is equal: no memory addresses, sets sorted.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections import deque
from collections.abc import Callable, Mapping, Set
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePath
from typing import Any, TypeAlias
from uuid import UUID

import msgspec

from reticent.guard import tried

Plain: TypeAlias = Any  # None | bool | int | float | str | bytes | list[Plain] | tuple[Plain, ...] | dict[str, Plain]

MAX_DEPTH = 32
MAX_NODES = 100_000
MAX_ARRAY = 100
"""Arrays and tensors up to this many elements are kept as values, larger ones as shape and dtype."""

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]{4,16}")
_ATOMS = (type(None), bool, int, float, str, bytes)
_ATOM_TYPES = frozenset(_ATOMS)


def plain(value: object) -> Plain:
    """A copy of `value` in None, bool, int, float, str, bytes, list, tuple and dict; never raises for odd objects.

    Recursion becomes `...`; what lies deeper than `MAX_DEPTH` or beyond `MAX_NODES` becomes a note of its type and size.
    """
    if type(value) in _ATOMS:
        return value
    return _Plainer().convert(value, 0)


def text(value: Plain) -> str:
    """The stable text of a plain value: a string as it is, anything else as Python would write it."""
    if type(value) is str:
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return _literal(value)


def json(value: Plain) -> str:
    """Indented JSON of a plain value. NaN and the infinities, which JSON lacks, are strings that `float` reads back."""
    return msgspec.json.format(msgspec.json.encode(_finite(value)), indent=2).decode()


def number(value: Any) -> float:
    """The float64 of a number, or of a scalar array or tensor of any framework.

    Raises TypeError for what is no number, text included, and ValueError for an array of more than one element.
    """
    if isinstance(value, (str, bytes, datetime, date, time, timedelta)) or value is None:
        raise TypeError(f"a metric's value must be a number, not {type(value).__name__}")
    if isinstance(value, complex):
        raise TypeError("a metric's value must be a real number, not complex")
    detach = getattr(value, "detach", None)  # a torch tensor that requires grad warns in float()
    if callable(detach):
        value = detach()
    size = getattr(value, "size", None)
    if isinstance(size, int) and size != 1:
        raise ValueError(f"a metric's value must be one number, not {size}")
    if getattr(value, "ndim", 0) and hasattr(value, "item"):
        value = value.item()
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def step(value: Any) -> int:
    """The int64 of a step: an integer of any library, or a float without a fraction. TypeError or ValueError otherwise."""
    if not hasattr(value, "__index__") and number(value) != int(value):
        raise ValueError("a step must be a whole number")
    whole = int(value)
    if not -(2**63) <= whole < 2**63:
        raise ValueError("a step must fit in 64 bits")
    return whole


def _finite(value: Plain) -> Plain:
    if isinstance(value, float) and value - value != 0.0:
        return repr(value)
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        if {float}.issuperset(map(type, value)) and math.isfinite(sum(value)):
            return value  # none of thousands of points is anything else
        return [_finite(item) for item in value]
    return text(value) if isinstance(value, (bytes, _Verbatim)) else value


def _literal(value: Plain) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {_literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_literal, value)) + "]"
    if isinstance(value, tuple):
        return "(" + ", ".join(map(_literal, value)) + (",)" if len(value) == 1 else ")")
    return str(value) if isinstance(value, _Verbatim) else repr(value)


class _Verbatim(str):
    """Text of an object that is no string: written without quotes inside a structure."""

    __slots__ = ()


class _Plainer:
    """One conversion: its budget of nodes, and the containers that it is inside of."""

    def __init__(self) -> None:
        self.nodes = MAX_NODES
        self.inside: set[int] = set()

    def convert(self, value: object, depth: int) -> Plain:
        self.nodes -= 1
        if type(value) in _ATOMS:
            return value
        if id(value) in self.inside:
            return _Verbatim("...")
        if depth >= MAX_DEPTH or self.nodes <= 0:
            return _Verbatim(_summary(value))
        self.inside.add(id(value))
        try:
            with tried():  # a user's class may raise from any method; its value is then named, not kept
                return self._convert_object(value, depth + 1)
            return _Verbatim(_summary(value))
        finally:
            self.inside.discard(id(value))

    def _convert_object(self, value: Any, depth: int) -> Plain:
        for kinds, conversion in _CONVERSIONS:
            if isinstance(value, kinds):
                return conversion(value)
        if hasattr(value, "get_secret_value"):  # pydantic's SecretStr and its like: their text is a row of stars
            return _Verbatim(str(value))
        if isinstance(value, Mapping) or _is_omegaconf(value, "DictConfig"):
            return self._mapping(value, depth)
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return self._mapping(dict(zip(value._fields, value, strict=False)), depth)
        if isinstance(value, (list, tuple, deque)) or _is_omegaconf(value, "ListConfig", "TupleConfig"):
            return type(value)(self._items(value, depth)) if type(value) in (list, tuple) else self._items(value, depth)
        if isinstance(value, Set) and len(value) > self.nodes:
            return _Verbatim(_summary(value))
        if isinstance(value, Set):
            return self._items(sorted(value, key=lambda item: (type(item).__name__, repr(item))), depth)
        if isinstance(value, type):
            return _Verbatim(_qualified(value))
        fields = _fields(value)
        if fields is not None:
            return self._mapping(fields, depth)
        return self._foreign(value, depth)

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> Plain:
        result: dict[str, Plain] = {}
        for key, item in value.items():
            if self.nodes <= 0:
                result["..."] = _Verbatim(f"{len(value) - len(result)} more")
                break
            name = key if type(key) is str else text(self.convert(key, depth))
            result[name] = self.convert(item, depth)
        return result

    def _items(self, value: Any, depth: int) -> list[Plain]:
        result: list[Plain] = []
        if type(value) is list and len(value) < self.nodes and _ATOM_TYPES.issuperset(map(type, value)):
            self.nodes -= len(value)
            return value.copy()
        for item in value:
            if self.nodes <= 0:
                result.append(_Verbatim(f"... {len(value) - len(result)} more"))
                break
            result.append(self.convert(item, depth))
        return result

    def _foreign(self, value: Any, depth: int) -> Plain:
        """An object of a library: scalars and small arrays by value, functions by name, the rest by its own text."""
        shape = getattr(value, "shape", None)
        if shape is not None and not callable(shape):
            size = 1
            for extent in tuple(shape):
                size *= int(extent)
            if hasattr(value, "detach"):
                value = value.detach().cpu()
            names = getattr(getattr(value, "dtype", None), "names", None)
            if size <= MAX_ARRAY and isinstance(names, tuple):  # a structured array: its items have no names
                return self._mapping({name: value[name] for name in names}, depth)
            if size <= MAX_ARRAY and hasattr(value, "tolist"):
                return self.convert(_labelled(value) if hasattr(value, "to_dict") else value.tolist(), depth)
            if size <= MAX_ARRAY and hasattr(value, "numpy"):
                return self.convert(value.numpy().tolist(), depth)
            return _Verbatim(_summary(value))
        if hasattr(value, "__qualname__"):
            return _Verbatim(_qualified(value))
        if hasattr(value, "func") and hasattr(value, "keywords"):  # functools.partial
            return _Verbatim(f"partial({_qualified(value.func)})")
        return _Verbatim(_ADDRESS.sub("", repr(value)))


def _is_omegaconf(value: Any, *names: str) -> bool:
    return type(value).__name__ in names and type(value).__module__.startswith("omegaconf.")


def _fields(value: Any) -> Mapping[str, Any] | None:
    """The fields of a dataclass, msgspec, attrs or pydantic object, or of an omegaconf container."""
    kind = type(value)
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    for attribute in ("__struct_fields__", "__attrs_attrs__", "model_fields", "__fields__"):
        listed: Any = getattr(kind, attribute, None)
        if isinstance(listed, (Mapping, tuple)):
            names = [str(getattr(item, "name", item)) for item in listed]
            return {name: getattr(value, name) for name in names}
    return None


def _labelled(series: Any) -> Any:
    """The values of a Series of pandas with what they are called: a name can say that they are secret."""
    named = any(isinstance(label, str) for label in series.index)
    values = series.to_dict() if named else series.tolist()
    return {series.name: values} if isinstance(series.name, str) else values


def _qualified(value: Any) -> str:
    module = getattr(value, "__module__", None) or ""
    name = getattr(value, "__qualname__", type(value).__qualname__)
    return name if module in ("", "builtins") else f"{module}.{name}"


def _summary(value: Any) -> str:
    kind = type(value).__qualname__
    with tried():
        shape = getattr(value, "shape", None)
        if shape is None or callable(shape):
            return f"<{kind} of {len(value)}>"
        dtype = getattr(value, "dtype", None)
        return f"{kind}(shape={tuple(shape)}" + (f", dtype={dtype})" if dtype is not None else ")")
    return f"<{kind}>"


_CONVERSIONS: tuple[tuple[type | tuple[type, ...], Callable[[Any], Plain]], ...] = (
    (Enum, lambda value: str.__str__(value) if isinstance(value, str) else _Verbatim(str(value))),
    (bool, bool),
    (str, lambda value: str.__str__(value)),
    ((bytes, bytearray, memoryview), bytes),
    (int, int),
    (float, float),
    ((Decimal, Fraction), lambda value: _Verbatim(str(value))),
    ((datetime, date, time), lambda value: _Verbatim(value.isoformat())),
    (timedelta, lambda value: _Verbatim(str(value))),
    (PurePath, lambda value: str(value)),
    (UUID, lambda value: _Verbatim(str(value))),
)
