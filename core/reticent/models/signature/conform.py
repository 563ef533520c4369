"""Single values made to be of a signature's type, and how what does not suit is said: by name and type, never by value."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from reticent.errors import ReticentError
from reticent.models.signature.kinds import Spec, is_missing, kind_of

LIMITS = {"integer": 2**31, "long": 2**63}
"""Whole numbers of a type are at least minus this, and less than it."""


class SchemaError(ReticentError):
    """Data does not suit a model's signature."""


def unsuited(where: str, expected: str, given: str, hint: str = "") -> SchemaError:
    return SchemaError(f"{where} must be of type {expected}, but is of type {given}" + (f"; {hint}" if hint else ""))


def told(spec: Spec) -> str:
    """A type in few words."""
    if spec["type"] == "array":
        return f"array of {told(spec['items'])}"
    if spec["type"] == "map":
        return f"map of {told(spec['values'])}"
    return str(spec["type"])


def conform(value: Any, spec: Spec, where: str) -> Any:
    """A value as a type of the signature has it. SchemaError if that is not the same value any more."""
    kind = spec["type"]
    if kind == "any" or (is_missing(value) and not spec.get("required", True)):
        return value
    if kind == "sparkml_vector":
        return _array(value, {"type": "array", "items": {"type": "double"}}, where)
    nested = {"array": _array, "object": _object, "map": _map}.get(kind)
    return nested(value, spec, where) if nested else scalar(value, spec, where)


def scalar(value: Any, spec: Spec, where: str) -> Any:
    """As `conform`, for types that hold no others."""
    kind = spec["type"]
    if is_missing(value) and kind not in LIMITS:
        return value
    given = kind_of(value)
    if given["type"] not in _FROM.get(kind, ()):
        raise unsuited(where, kind, told(given), _HINTS.get((given["type"], kind), ""))
    if hasattr(value, "item") and not isinstance(value, (datetime, date)):
        value = value.item()
    if kind == "datetime":
        return when(value, where)
    if kind == "binary":
        return decoded(value, where)
    if kind in LIMITS:
        return whole(value, kind, where)
    if kind in ("float", "double"):
        return real(value, kind, where)
    return value


def whole(value: Any, kind: str, where: str) -> int:
    number = int(value) if math.isfinite(value) else None
    if number is None or number != value:
        raise unsuited(where, kind, "double", "it has values that are not whole numbers: round them, if that is meant")
    if not -LIMITS[kind] <= number < LIMITS[kind]:
        raise unsuited(where, kind, "long", f"it has values that are too large for {kind}")
    return number


def real(value: Any, kind: str, where: str) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if isinstance(value, int) and number != value:
        raise unsuited(where, kind, "long", f"it has values that are too large for {kind}")
    return number


def when(value: Any, where: str) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise unsuited(where, "datetime", "string", "texts must be dates as ISO 8601 has them") from None


def decoded(value: Any, where: str) -> bytes:
    """Bytes; of text, which JSON has in their place, as base64."""
    if not isinstance(value, str):
        return bytes(value)
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise unsuited(where, "binary", "string", "give bytes, or text that is base64") from None


_FROM = {
    "boolean": ("boolean",),
    "integer": ("integer", "long", "float", "double"),
    "long": ("integer", "long", "float", "double"),
    "float": ("integer", "long", "float", "double"),
    "double": ("integer", "long", "float", "double"),
    "string": ("string",),
    "binary": ("binary", "string"),
    "datetime": ("datetime", "string"),
}

_HINTS = {
    ("string", "long"): "convert it before",
    ("string", "double"): "convert it before",
    ("any", "long"): "a value is missing: whole numbers cannot be",
    ("any", "integer"): "a value is missing: whole numbers cannot be",
}


def _array(value: Any, spec: Spec, where: str) -> Any:
    items = value.tolist() if hasattr(value, "tolist") else value
    if not isinstance(items, (list, tuple)):
        raise unsuited(where, told(spec), told(kind_of(value)))
    conformed = [conform(item, spec["items"], f"an item of {where}") for item in items]
    if is_numeric_array(value):
        import numpy as np

        return np.asarray(conformed)
    return conformed


def is_numeric_array(value: Any) -> bool:
    return hasattr(value, "tolist") and getattr(getattr(value, "dtype", None), "kind", "O") in "biuf"


def _object(value: Any, spec: Spec, where: str) -> Any:
    if not isinstance(value, Mapping):
        raise unsuited(where, "object", told(kind_of(value)))
    properties = spec["properties"]
    missing = [name for name, part in properties.items() if part.get("required", True) and name not in value]
    if missing:
        raise SchemaError(f"{where} lacks the properties {missing}, which the model needs")
    extra = [name for name in value if name not in properties]
    if extra:
        raise SchemaError(
            f"{where} has the properties {extra}, which the model does not know: it knows {[*properties]}"
        )
    return {name: conform(item, properties[name], f"the property {name!r} of {where}") for name, item in value.items()}


def _map(value: Any, spec: Spec, where: str) -> Any:
    if not isinstance(value, Mapping):
        raise unsuited(where, told(spec), told(kind_of(value)))
    if not all(isinstance(name, str) for name in value):
        raise unsuited(f"each key of {where}", "string", "another")
    return {name: conform(item, spec["values"], f"a value of {where}") for name, item in value.items()}
