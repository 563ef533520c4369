"""Trying a model: another process loads it, has it predict the input example, and compares."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Literal

import msgspec

from reticent.aside import Aside, AsideError
from reticent.decoding import decodable
from reticent.errors import NotDefinedError, NothingPredictsError
from reticent.models import code, example
from reticent.models.description import Description
from reticent.models.flavor import named
from reticent.models.load import opened
from reticent.models.pyfunc import PyFunc
from reticent.models.signature.schema import Signature

TIMEOUT_S = 300.0


@decodable
class Trial(msgspec.Struct, frozen=True):
    outcome: Literal["equal", "different", "loaded", "undefined", "failed"]
    """As in `records.ModelTried`."""
    detail: str = ""


def attempt(aside: Aside, directory: str, described: Description) -> Trial:
    """Try the model that was published in a directory. OSError if there can be no other process."""
    data = msgspec.json.encode([described.example, described.expected]).decode()
    try:
        return msgspec.json.decode(aside.call(_attempt, directory, data, timeout_s=TIMEOUT_S), type=Trial)
    except AsideError as error:
        return Trial("failed", str(error))


def of_staged(directory: Path, described: Description) -> Trial:
    """Try the files of a model before they are published, in the process that has made them."""
    flavor = named([described.flavor])
    if flavor is None:
        return Trial("failed", f"no flavor {described.flavor} is known to another process")
    config = described.flavors[flavor.name]
    try:
        if flavor.imports is not None:
            flavor.imports(directory, config)
        with code.importable(directory, config):
            model = flavor.load(directory, config)
        return _tried(
            PyFunc(model, flavor, Signature.parse(described.signature)), described.example, described.expected
        )
    except NotDefinedError as error:
        return Trial("undefined", str(error))
    except Exception as error:  # noqa: BLE001 - of the framework: that is what is to be found out
        return Trial("failed", f"{type(error).__name__}: {error}"[:1000])


def _attempt(directory: str, data: str) -> str:
    given, expected = msgspec.json.decode(data, type=tuple[example.Example | None, Any])
    with opened(directory) as model:
        try:
            loaded = model.load(trust=True)
        except NotDefinedError as error:
            return msgspec.json.encode(Trial("undefined", str(error))).decode()
        function = PyFunc(loaded, model.flavor, Signature.parse(model.published.signature))
    return msgspec.json.encode(_tried(function, given, expected)).decode()


def _tried(function: PyFunc, given: example.Example | None, expected: Any) -> Trial:
    if given is None or function.flavor.predict is None:
        return Trial("loaded")
    inputs = function.signature.inputs if function.signature is not None else None
    try:
        predictions = example.predictions(function.predict(example.data(given, inputs)))
    except NothingPredictsError as error:
        return Trial("loaded", str(error))
    if expected is None or predictions is None:
        return Trial("loaded", "it predicts; there is nothing to compare with")
    return Trial("equal" if equal(predictions, expected) else "different")


def equal(one: Any, other: Any) -> bool:
    """Whether predictions are the same, numbers to six digits: another process may add in another order."""
    one, other = json.loads(json.dumps(one)), json.loads(json.dumps(other))
    return _equal(one, other)


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(value, other[key]) for key, value in one.items())
    if isinstance(one, float | int) and isinstance(other, float | int):
        return (one != one and other != other) or math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-9)
    return bool(one == other)
