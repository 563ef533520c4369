"""Any value becomes plain Python and stable text, without an import of its framework, and without an error."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import math
import pathlib
import subprocess
import sys
import uuid
from typing import Any, NamedTuple

import attrs
import msgspec
import numpy
import omegaconf
import pandas
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reticent import values


class Colour(enum.Enum):
    RED = 1


class Strategy(str, enum.Enum):
    STEPS = "steps"


@dataclasses.dataclass
class Data:
    a: int
    b: list[float]


class Struct(msgspec.Struct):
    a: int


class Pydantic(pydantic.BaseModel):
    a: int
    token: pydantic.SecretStr


@attrs.define
class Attrs:
    a: int


class Point(NamedTuple):
    x: int


class Odd:
    """Has no text of its own: Python's has the address in it."""


def function() -> None: ...


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("text", "text"),
        (True, "True"),
        (None, "None"),
        (3, "3"),
        (0.1, "0.1"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        (b"\xffbytes", "\\xffbytes"),
        (decimal.Decimal("1.10"), "1.10"),
        (fractions.Fraction(1, 3), "1/3"),
        (datetime.datetime(2026, 1, 2, 3, 4), "2026-01-02T03:04:00"),
        (datetime.timedelta(days=1), "1 day, 0:00:00"),
        (pathlib.PurePosixPath("a/b"), "a/b"),
        (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        (Colour.RED, "Colour.RED"),
        (Strategy.STEPS, "steps"),
        (numpy.float64(0.5), "0.5"),
        (numpy.int32(7), "7"),
        (numpy.bool_(True), "True"),
        (numpy.array(3), "3"),
        (numpy.array([1, 2]), "[1, 2]"),
        (numpy.array([(1, "a")], dtype=[("lr", "i4"), ("by", "U4")]), "{'lr': [1], 'by': ['a']}"),
        (numpy.array([(1, "a")], dtype=[("lr", "i4"), ("by", "U4")])[0], "{'lr': 1, 'by': 'a'}"),
        (numpy.zeros((100, 100)), "ndarray(shape=(100, 100), dtype=float64)"),
        (pandas.DataFrame({"a": range(1000)}), "DataFrame(shape=(1000, 1))"),
        (pandas.Series([1, 2]), "[1, 2]"),
        (pandas.Series([1, 2], name="a"), "{'a': [1, 2]}"),
        (pandas.Series({"a": 1, "b": 2}), "{'a': 1, 'b': 2}"),
        (collections.deque([1, "a"]), "[1, 'a']"),
        (Data(1, [0.5]), "{'a': 1, 'b': [0.5]}"),
        (Struct(1), "{'a': 1}"),
        (Pydantic(a=1, token=pydantic.SecretStr("hunter2-hunter2")), "{'a': 1, 'token': **********}"),
        (Attrs(1), "{'a': 1}"),
        (Point(3), "{'x': 3}"),
        (omegaconf.OmegaConf.create({"lr": 0.1, "layers": [1, 2]}), "{'lr': 0.1, 'layers': [1, 2]}"),
        ([1, "a", (2,), {"b": None}], "[1, 'a', (2,), {'b': None}]"),
        ({3, 1, 2}, "[1, 2, 3]"),
        (frozenset("cab"), "['a', 'b', 'c']"),
        (collections.OrderedDict(b=1, a=2), "{'b': 1, 'a': 2}"),
        ({1: "x", None: "y"}, "{'1': 'x', 'None': 'y'}"),
        (range(3), "range(0, 3)"),
        (int, "int"),
        (collections.Counter, "collections.Counter"),
        (math.sin, "math.sin"),
        (functools.partial(math.sin, 1), "partial(math.sin)"),
    ],
)
def test_text(value: object, text: str) -> None:
    assert values.text(values.plain(value)) == text


@pytest.mark.parametrize("value", [Odd(), function, Odd, lambda: None, object(), [Odd()], functools.partial(function)])
def test_text_has_no_addresses(value: object) -> None:
    assert "0x" not in values.text(values.plain(value))


def test_recursion_is_cut() -> None:
    endless: list[Any] = [1]
    endless.append({"me": endless})
    assert values.text(values.plain(endless)) == "[1, {'me': ...}]"


def test_depth_is_bounded() -> None:
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    assert len(values.text(values.plain(deep))) < 200


def test_size_is_bounded() -> None:
    text = values.text(values.plain({"many": list(range(2_000_000))}))
    assert text.endswith("more]}")
    assert len(text) < 1_000_000


def test_long_text_is_kept_whole() -> None:
    assert values.text(values.plain("x" * 10_000_000)) == "x" * 10_000_000


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    def __len__(self) -> int:
        raise RuntimeError("no len")

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("no attributes")


def test_hostile_objects_are_named() -> None:
    assert values.text(values.plain(Hostile())) == "<Hostile>"
    assert values.text(values.plain({"a": [Hostile()]})) == "{'a': [<Hostile>]}"


plain_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary()),
    lambda inner: st.one_of(
        st.lists(inner), st.dictionaries(st.text(), inner), st.tuples(inner, inner), st.frozensets(st.integers())
    ),
    max_leaves=30,
)


@given(plain_values)
def test_any_structure_has_a_stable_text_and_json(value: object) -> None:
    text = values.text(values.plain(value))
    assert text == values.text(values.plain(value))
    msgspec.json.decode(values.json(values.plain(value)))


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (1, 1.0),
        (True, 1.0),
        (0.5, 0.5),
        (decimal.Decimal("0.25"), 0.25),
        (numpy.float32(0.5), 0.5),
        (numpy.array(2), 2.0),
        (numpy.array([[3.0]]), 3.0),
        (10**400, math.inf),
        (math.inf, math.inf),
    ],
)
def test_number(value: Any, number: float) -> None:
    assert values.number(value) == number


@pytest.mark.parametrize("value", ["0.5", None, 1j, [1.0], numpy.zeros(3), object(), datetime.datetime.now()])
def test_what_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        values.number(value)


def test_no_framework_is_imported() -> None:
    code = (
        "import sys, reticent.values as v; v.text(v.plain({'a': [1, {2}, object()]}));"
        "print([n for n in ('numpy', 'torch', 'pandas', 'pydantic', 'omegaconf', 'attrs') if n in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"
