"""What a training gives, and what it was given, can be pickled and copied afterwards as it can without autologging."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import cloudpickle

from reticent.testing.integration_example import IntegrationExample

OURS = (b"reticent_integrations", b"reticent.patching", b"reticent.run")


class CopiesContract(IntegrationExample):
    def test_what_a_training_leaves_is_copied_as_without(self) -> None:
        plain = self._copies()
        self.enable()
        assert self._copies() == plain

    def _copies(self) -> dict[tuple[str, str], str]:
        """Of the result and of each argument, what comes of each way to copy it."""
        call = self.call()
        things = {"result": call.by_keyword(), **call.arguments}
        return {(name, way): _outcome(WAYS[way], thing) for name, thing in things.items() for way in WAYS}


def _pickled(thing: Any) -> str:
    content = pickle.dumps(thing)
    pickle.loads(content)  # noqa: S301 - made one line before
    return str([name for name in OURS if name in content])


def _cloudpickled(thing: Any) -> str:
    return type(cloudpickle.loads(cloudpickle.dumps(thing))).__qualname__


def _copied(thing: Any) -> str:
    return type(copy.deepcopy(thing)).__qualname__


def _cloned(thing: Any) -> str:
    if not hasattr(thing, "get_params"):
        return "no estimator"
    from sklearn.base import clone

    made = clone(thing)
    return f"{type(made).__qualname__}({made.get_params(deep=False)})"  # not all have a `__repr__` of their own


WAYS: dict[str, Callable[[Any], str]] = {
    "pickle": _pickled,
    "cloudpickle": _cloudpickled,
    "deepcopy": _copied,
    "clone": _cloned,
}


def _outcome(way: Callable[[Any], str], thing: Any) -> str:
    try:
        return way(thing)
    except Exception as error:  # noqa: BLE001 - frameworks have things that cannot be copied, with autologging as without
        return type(error).__name__
