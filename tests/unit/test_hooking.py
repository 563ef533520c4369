"""What the wrappers around a framework's functions leave as it is."""

from __future__ import annotations

import copy
import inspect
import pickle
import sys
import types
import warnings
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest

from reticent.patching import Call, Integration, LightPatch, Patch
from reticent.testing.targets import enabled_with

CODE = """
import warnings

def train(value: int, *others, seed: int | None = None) -> int:
    warnings.warn("of the caller's", stacklevel=2)
    return value
"""


def hook(call: Call) -> Generator[None, None, None]:
    yield


@pytest.fixture
def toy() -> Iterator[types.ModuleType]:
    module = types.ModuleType("toy_framework")
    exec(compile(CODE, "toy_framework.py", "exec"), module.__dict__)
    sys.modules["toy_framework"] = module
    yield module
    del sys.modules["toy_framework"]


@pytest.mark.parametrize(
    "patch",
    [Patch("toy_framework:train", hook), LightPatch("toy_framework:train", lambda args, kwargs, result: None)],
    ids=["plain", "light"],
)
def test_a_warning_of_what_the_caller_does_names_the_callers_line(
    patch: Patch | LightPatch, toy: types.ModuleType
) -> None:
    places = []
    for integration in (
        Integration("toy", module="toy_framework", requires=">=0", patches=()),
        Integration("toy", module="toy_framework", requires=">=0", patches=(patch,)),
    ):
        original = toy.train
        with enabled_with(integration, lambda hook: hook), warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            assert (toy.train is original) == (not integration.patches)
            toy.train(1)
        places.append([(one.filename, one.lineno) for one in told])
    assert places[0] == places[1]
    assert places[0][0][0] == __file__


ASKED: dict[str, Callable[[Any], object]] = {
    "the signature": inspect.signature,
    "its text": lambda function: str(inspect.signature(function)),
    "how it shows": lambda function: repr(inspect.signature(function)),
    "its hash": lambda function: hash(inspect.signature(function)),
    "all of its arguments": inspect.getfullargspec,
    "those of a method": lambda function: inspect.getfullargspec(types.MethodType(function, 1)),
    "a method's signature": lambda function: inspect.signature(types.MethodType(function, 1)),
    "what a call gives": lambda function: inspect.signature(function).bind(1).arguments,
    "another one": lambda function: inspect.signature(function).replace(return_annotation=int),
    "a copy": lambda function: copy.deepcopy(inspect.signature(function)),
}


@pytest.mark.parametrize("asked", ASKED)
def test_a_wrapper_has_the_originals_signature(asked: str, toy: types.ModuleType) -> None:
    original = toy.train
    patch = Patch("toy_framework:train", hook)
    integration = Integration("toy", module="toy_framework", requires=">=0", patches=(patch,))
    with enabled_with(integration, lambda hook: hook):
        assert toy.train is not original
        assert ASKED[asked](toy.train) == ASKED[asked](original)
        # With a class of `__main__`, it is pickled by value: a process without Reticent is to read that.
        assert type(pickle.loads(pickle.dumps(inspect.signature(toy.train)))) is inspect.Signature


@pytest.mark.parametrize(("subclasses", "called"), [(False, ["sum"]), (True, [])])
def test_a_property_is_hooked_where_it_is_meant(subclasses: bool, called: list[str], toy: types.ModuleType) -> None:
    class Model:
        @property
        def sum(self) -> int:
            """What it is."""
            return 3

    toy.Model = Model  # type: ignore[attr-defined]
    calls = []

    def note(call: Call) -> Generator[None, None, None]:
        calls.append(call.function.__name__)
        yield

    before = vars(Model)["sum"]
    patch = Patch("toy_framework:Model.sum", note, subclasses=subclasses)
    integration = Integration("toy", module="toy_framework", requires=">=0", patches=(patch,))
    with enabled_with(integration, lambda hook: hook):
        assert Model().sum == 3
        assert Model.sum.__doc__ == "What it is."
    assert calls == called
    assert vars(Model)["sum"] is before
