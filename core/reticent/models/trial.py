"""Trying a published model: another process loads it, predicts the input example, and compares."""

from __future__ import annotations

import json
import math
from typing import Any, Literal

import msgspec

from reticent.aside import Aside, AsideError
from reticent.models import example
from reticent.models.description import Description

TIMEOUT_S = 300.0


class Trial(msgspec.Struct, frozen=True):
    outcome: Literal["equal", "different", "loaded", "failed"]
    """`loaded`: there is nothing to predict, or nothing to compare with."""
    detail: str = ""


def attempt(aside: Aside, directory: str, described: Description) -> Trial:
    """Try the model that was published in a directory. OSError if there can be no other process."""
    data = msgspec.json.encode([described.example, described.expected]).decode()
    try:
        return msgspec.json.decode(aside.call(_attempt, directory, data, timeout_s=TIMEOUT_S), type=Trial)
    except AsideError as error:
        return Trial("failed", str(error))


def _attempt(directory: str, data: str) -> str:
    from reticent.models.load import opened
    from reticent.models.pyfunc import load_pyfunc

    given, expected = msgspec.json.decode(data, type=tuple[example.Example | None, Any])
    with opened(directory) as model:
        predicts = model.flavor.predict is not None
        if given is None or not predicts:
            model.load(trust=True)
            return msgspec.json.encode(Trial("loaded")).decode()
    function = load_pyfunc(directory, trust=True)
    inputs = function.signature.inputs if function.signature is not None else None
    predictions = example.predictions(function.predict(example.data(given, inputs)))
    if expected is None or predictions is None:
        return msgspec.json.encode(Trial("loaded", "it predicts; there is nothing to compare with")).decode()
    same = equal(predictions, expected)
    return msgspec.json.encode(Trial("equal" if same else "different")).decode()


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
