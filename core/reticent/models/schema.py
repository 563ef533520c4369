"""The signature of a published model, and data made to suit it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from reticent.errors import ReticentError
from reticent.models.signature import Spec, is_a


class SchemaError(ReticentError):
    """Data does not suit a model's signature."""


@dataclass(frozen=True, slots=True)
class Signature:
    inputs: list[Spec] | None
    outputs: list[Spec] | None
    params: list[Spec]

    @classmethod
    def parse(cls, written: Mapping[str, Any] | None) -> Signature | None:
        """What an MLmodel file has under `signature`. ReticentError if it cannot be understood."""
        if written is None:
            return None
        try:
            specs = {
                name: msgspec.json.decode(text, type=list[dict[str, Any]]) if text else None
                for name, text in written.items()
            }
        except (msgspec.DecodeError, msgspec.ValidationError, TypeError) as error:
            raise ReticentError(f"the model's signature cannot be understood: {error}") from error
        return cls(specs.get("inputs"), specs.get("outputs"), specs.get("params") or [])


def enforce(data: Any, specs: list[Spec] | None) -> Any:
    """Data as the model takes it: columns in order, values of their types. SchemaError names what does not suit."""
    named = [spec["name"] for spec in specs or [] if "name" in spec]
    if named and is_a(data, "pandas", "DataFrame"):
        missing = [name for name in named if name not in data.columns]
        if missing:
            raise SchemaError(f"the model needs the columns {missing}, which the data does not have")
        return data[named]
    return data


def enforce_params(params: Mapping[str, Any], specs: list[Spec]) -> dict[str, Any]:
    """Params of inference with their defaults. SchemaError for one that the signature does not have."""
    return {**{spec["name"]: spec.get("default") for spec in specs}, **params}
