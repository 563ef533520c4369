"""Params of inference: which ones a model has, with their defaults, and those given for one prediction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from reticent.models.signature.conform import SchemaError, conform, told, unsuited
from reticent.models.signature.kinds import Spec, common, kind_of

_TYPES = ("boolean", "integer", "long", "float", "double", "string", "datetime")


def params_schema(params: Mapping[str, Any]) -> list[Spec]:
    """What MLmodel says of params with these defaults: scalars, lists of scalars, and dicts of both.

    TypeError for a default of another type.
    """
    return [_spec(str(name), default) for name, default in params.items()]


def enforce_params(params: Mapping[str, Any], specs: list[Spec]) -> dict[str, Any]:
    """Params of inference with their defaults; as they are if the signature says nothing of params.

    SchemaError for one that the signature does not have, or that is of another type.
    """
    if not specs:
        return dict(params)
    known = {spec["name"]: spec for spec in specs}
    unknown = [name for name in params if name not in known]
    if unknown:
        raise SchemaError(f"the model has no params {unknown}; it has {list(known)}")
    return {name: _param(params[name] if name in params else spec.get("default"), spec) for name, spec in known.items()}


def _spec(name: str, default: Any) -> Spec:
    plain = default.tolist() if hasattr(default, "tolist") else default
    listed = isinstance(plain, (list, tuple))
    if listed:
        kind = common(default) if len(default) else {"type": "double"}
        default = list(plain)
    else:
        kind = kind_of(default)
        default = plain
    if kind["type"] not in _TYPES and not (kind["type"] == "object" and not listed):
        raise TypeError(
            f"the default of the param {name!r} is of type {told(kind)}: a param is a number, a text, a date, a list of "
            "these, or a dict"
        )
    return {"name": name, "default": _json(default), "shape": [-1] if listed else None, **kind}


def _json(value: Any) -> Any:
    if isinstance(value, list):
        return [_json(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value


def _param(value: Any, spec: Spec) -> Any:
    if value is None:
        return None
    where = f"the param {spec['name']!r}"
    # MLflow once wrote the type of a param under another name.
    kind = {**spec, "type": spec.get("type") or spec.get("dtype")}
    if not spec.get("shape"):
        return conform(value, kind, where)
    items = value.tolist() if hasattr(value, "tolist") else value
    if not isinstance(items, (list, tuple)):
        raise unsuited(where, f"list of {told(kind)}", told(kind_of(value)))
    return [None if item is None else conform(item, kind, f"an item of {where}") for item in items]
