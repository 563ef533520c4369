"""What the wrappers around a framework's functions leave as it is."""

from __future__ import annotations

import sys
import types
import warnings
from collections.abc import Generator, Iterator

import pytest

from reticent.patching import Call, Integration, LightPatch, Patch
from reticent.testing.targets import enabled_with

CODE = """
import warnings

def train(value):
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
