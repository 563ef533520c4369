"""The signature of a published model, and data made to suit it.

    enforce          data for the model
    columns, tables  whatever has rows, as a DataFrame with the columns that the model takes
    arrays           arrays and tensors
    conform          single values, in lists and objects
    params           params of inference

What is wrong with data is said by names and types, never by values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from reticent.errors import ReticentError
from reticent.models.signature.arrays import enforce_tensors
from reticent.models.signature.columns import enforce_columns
from reticent.models.signature.conform import SchemaError
from reticent.models.signature.kinds import Spec
from reticent.models.signature.params import enforce_params

__all__ = ["SchemaError", "Signature", "enforce", "enforce_params"]


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
            for side in ("inputs", "outputs"):
                _check_all(specs.get(side) or [])
            for spec in specs.get("params") or []:
                _check({**spec, "type": spec.get("type") or spec["dtype"]})
                spec["name"]
        except (msgspec.DecodeError, msgspec.ValidationError, TypeError, ValueError, KeyError, RecursionError) as error:
            raise ReticentError(f"the model's signature cannot be understood: {error}") from error
        return cls(specs.get("inputs"), specs.get("outputs"), specs.get("params") or [])


def enforce(data: Any, specs: list[Spec] | None) -> Any:
    """Data as the model takes it: for columns a DataFrame, for tensors arrays. SchemaError names what does not suit.

    Values are converted only where all of them stay the same, whatever their types: 3.0 may become 3, and 3.5 may not.
    Plain floats may become float32, as they are of no width.
    """
    if not specs:
        return data
    return enforce_tensors(data, specs) if specs[0]["type"] == "tensor" else enforce_columns(data, specs)


def _check_all(specs: list[Spec]) -> None:
    for spec in specs:
        _check(spec)
    if len({spec["type"] == "tensor" for spec in specs}) > 1 or len({spec.get("name") is None for spec in specs}) > 1:
        raise TypeError("columns and tensors, or those with a name and those without, are mixed")
    if len(specs) > 1 and specs[0]["type"] == "tensor" and specs[0].get("name") is None:
        raise TypeError("it has several tensors without names")


def _check(spec: Spec) -> None:
    kind = spec["type"]
    if not isinstance(kind, str):
        raise TypeError("a type is no text")
    if kind == "tensor":
        dtype, shape = spec["tensor-spec"]["dtype"], spec["tensor-spec"]["shape"]
        if not isinstance(dtype, str) or not all(type(extent) is int for extent in shape):
            raise TypeError("a tensor has no dtype or no shape")
    if kind == "array":
        _check(spec["items"])
    if kind == "map":
        _check(spec["values"])
    if kind == "object":
        if not spec["properties"]:
            raise TypeError("an object has no properties")
        for part in dict(spec["properties"]).values():
            _check(part)
