"""What an object holds, in a form that is equal for objects that hold the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_ATOMS = (type(None), bool, int, float, complex, str, bytes)


def state(value: Any, inside: tuple[int, ...] = ()) -> object:
    """Values of plain data and arrays, attributes of objects, all the way down; of anything else the type."""
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    if isinstance(value, _ATOMS):
        return kind, repr(value)
    if id(value) in inside or len(inside) > 20:
        return kind
    inside = (*inside, id(value))
    if isinstance(value, Mapping):
        return kind, [(state(key, inside), state(item, inside)) for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return kind, [state(item, inside) for item in value]
    if isinstance(value, (set, frozenset)):
        return kind, sorted(repr(state(item, inside)) for item in value)
    if hasattr(value, "to_numpy"):  # a table or a column
        columns = [str(name) for name in getattr(value, "columns", ())]
        return kind, columns, state(value.to_numpy(), inside)
    if hasattr(value, "tobytes") and hasattr(value, "dtype"):
        if value.dtype.kind == "O":
            return kind, state(value.tolist(), inside)
        return kind, str(value.dtype), value.shape, value.tobytes()
    if isinstance(value, type) or hasattr(value, "__code__"):
        return kind, value.__module__, value.__qualname__
    attributes = getattr(value, "__dict__", None)
    return (kind, state(attributes, inside)) if isinstance(attributes, dict) else kind
