"""Data made to suit a signature: what MLflow takes is taken and gives the same, and no value is ever changed."""

from __future__ import annotations

import base64
import json
import warnings
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from reticent.errors import ReticentError
from reticent.models.signature.infer import schema
from reticent.models.signature.schema import SchemaError, Signature, enforce, enforce_params


def column(kind, name="x", **more):
    return {"type": kind, "name": name, "required": True, **more}


def tensor(dtype, shape, name=None):
    spec = {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": shape}}
    return spec if name is None else {"name": name, **spec}


def by_mlflow(data, specs):
    """What MLflow makes of the data; None if it refuses."""
    from mlflow.exceptions import MlflowException
    from mlflow.models.utils import _enforce_schema
    from mlflow.types import Schema

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _enforce_schema(data, Schema.from_json(json.dumps(specs)))
        except (MlflowException, ValueError, TypeError, KeyError):
            return None


def same(one, other):
    if isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other, check_column_type=False)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for name in one:
            same(one[name], other[name])
    elif scipy.sparse.issparse(one):
        assert one.dtype == other.dtype
        assert (one != other).nnz == 0
    elif one.dtype == object:
        assert one is other
    else:
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype


FRAME = pd.DataFrame(
    {
        "i4": np.array([1, 2], "int32"),
        "i8": [1, 2],
        "f4": np.array([1, 2.5], "float32"),
        "f8": [0.1, 2.5],
        "flag": [True, False],
        "text": ["a", "b"],
        "bytes": [b"a", b"b"],
        "when": pd.Series(["2020-01-01", "2020-01-02"], dtype="datetime64[ns]"),
        "lists": [[1.0], [2.0, 3.0]],
        "objects": [{"a": 1, "b": ["x"]}, {"a": 2, "b": []}],
    }
)
NESTED = [{"q": "a", "ids": ["x", "y"], "o": {"k": 1.5}}, {"q": "b", "ids": ["z"], "o": {"k": 2.5}}]

TAKEN_BY_BOTH = {
    "a frame as it is": (FRAME, schema(FRAME)),
    "columns in another order, and more": (FRAME[FRAME.columns[::-1]].assign(more=1), schema(FRAME)),
    "rows with an index": (FRAME.set_index(pd.Index([7, 9])), schema(FRAME)),
    "small whole numbers": (pd.DataFrame({"x": np.array([1, 2], "int8")}), [column("integer")]),
    "int32 to long": (pd.DataFrame({"x": np.array([1, 2], "int32")}), [column("long")]),
    "int32 to double": (pd.DataFrame({"x": np.array([1, 2], "int32")}), [column("double")]),
    "uint32 to long": (pd.DataFrame({"x": np.array([1, 2], "uint32")}), [column("long")]),
    "float32 to double": (pd.DataFrame({"x": np.array([1, 2], "float32")}), [column("double")]),
    "float16 to float": (pd.DataFrame({"x": np.array([1, 2], "float16")}), [column("float")]),
    "zeros and ones to double": (pd.DataFrame({"x": [0, 1]}), [column("double")]),
    "objects that are numbers": (pd.DataFrame({"x": pd.Series([1, 2], dtype=object)}), [column("long")]),
    "any": (pd.DataFrame({"x": [1, "a"]}), [column("any")]),
    "rows as dicts": (NESTED, schema(NESTED)),
    "one row as a dict": ({"q": "a", "n": 1}, [column("string", "q"), column("long", "n")]),
    "columns as a dict": ({"x": [1.5, 2.5], "y": [1, 2]}, [column("double"), column("long", "y")]),
    "arrays as a dict": ({"x": np.array([1.5, 2.5]), "y": np.array([1, 2])}, [column("double"), column("long", "y")]),
    "texts": (["a", "b"], [{"type": "string", "required": True}]),
    "one text": ("a", [{"type": "string", "required": True}]),
    "rows without names": ([[1, 2.5], [3, 4.5]], [{"type": "long", "required": True}, {"type": "double"}]),
    "an array without names": (np.ones((2, 3)), [{"type": "double", "required": True}] * 2),
    "a map": (
        [{"x": {"a": 1, "b": 2}}],
        [{"type": "map", "values": {"type": "long"}, "name": "x", "required": True}],
    ),
    "an array": (np.ones((2, 3)), [tensor("float64", [-1, 3])]),
    "a sparse matrix": (scipy.sparse.csr_matrix(np.eye(3)), [tensor("float64", [-1, 3])]),
    "arrays by name": (
        {"b": np.ones((2, 1)), "a": np.ones(2, "int32"), "more": np.ones(1)},
        [tensor("int32", [-1], "a"), tensor("float64", [-1, 1], "b")],
    ),
    "one array for one name": (np.ones((2, 3)), [tensor("float64", [-1, 3], "a")]),
    "a frame as an array": (pd.DataFrame({"a": [1.0, 2], "b": [3.0, 4]}), [tensor("float64", [-1, 2])]),
    "cells that are lists": (pd.DataFrame({"a": [[1, 2, 3, 4], [5, 6, 7, 8]]}), [tensor("float32", [-1, 2, 2])]),
    "cells that are arrays": (pd.DataFrame({"a": [np.ones(4), np.ones(4)]}), [tensor("float64", [-1, 2, 2])]),
    "columns as arrays by name": (
        pd.DataFrame({"a": [1, 2], "b": [[1.0, 2.0], [3.0, 4.0]]}),
        [tensor("int64", [-1, 1], "a"), tensor("float64", [-1, 2], "b")],
    ),
    "ragged rows": (np.array([np.ones(2), np.ones(3)], dtype=object), [tensor("float64", [-1, -1, 3])]),
    "texts in an array": (np.array(["a", "bc"]), [tensor("str", [-1])]),
}


@pytest.mark.parametrize("name", TAKEN_BY_BOTH)
def test_what_mlflow_takes_gives_the_same(name):
    data, specs = TAKEN_BY_BOTH[name]
    expected = by_mlflow(data, specs)
    assert expected is not None
    same(enforce(data, specs), expected)


REFUSED_BY_BOTH = {
    "fractions for long": ({"x": [1.5, 2.0]}, [column("long")], "whole"),
    "gaps for long": ({"x": [1.0, None]}, [column("long")], "missing"),
    "rounded": (pd.DataFrame({"x": [0.1]}), [column("float")], "rounded"),
    "too large for double": ({"x": [2**60 + 1]}, [column("double")], "too large"),
    "too large for integer": ({"x": [2**40]}, [column("integer")], "too large"),
    "flags for numbers": ({"x": [True, False]}, [column("long")], "type long, but is of type boolean"),
    "numbers for flags": ({"x": [0, 1]}, [column("boolean")], "type boolean, but is of type long"),
    "texts for numbers": ({"x": ["1", "2"]}, [column("double")], "type double, but is of type string"),
    "numbers for texts": (pd.DataFrame({"x": [1, 2]}), [column("string")], "type string, but is of type long"),
    "numbers for dates": ({"x": [1, 2]}, [column("datetime")], "type datetime, but is of type long"),
    "no dates": (pd.DataFrame({"x": ["yesterday"]}), [column("datetime")], "ISO 8601"),
    "a missing column": (pd.DataFrame({"y": [1]}), [column("long")], r"\['x'\]"),
    "scalars for lists": ([{"x": 1}], [column("array", items={"type": "long"})], "array of long"),
    "a missing property": (
        [{"x": {}}],
        [column("object", properties={"a": {"type": "long", "required": True}})],
        r"lacks the properties \['a'\]",
    ),
    "another property": (
        [{"x": {"a": 1, "b": 1}}],
        [column("object", properties={"a": {"type": "long", "required": True}})],
        r"properties \['b'\]",
    ),
    "a property of another type": (
        [{"x": {"a": "secret-value"}}],
        [column("object", properties={"a": {"type": "long", "required": True}})],
        "the property 'a' of the column 'x'",
    ),
    "another shape": (np.ones((2, 4)), [tensor("float64", [-1, 3])], r"shape \[-1, 3\], but has \[2, 4\]"),
    "fewer dimensions": (np.ones(3), [tensor("float64", [-1, 3])], "shape"),
    "a dtype that loses": (np.array([0.1]), [tensor("float32", [-1])], "rounded"),
    "texts for a tensor": (np.array(["a"]), [tensor("float64", [-1])], "tensor of str"),
    "a missing input": ({"b": np.ones(1)}, [tensor("float64", [-1], "a")], r"inputs \['a'\]"),
    "one array for two inputs": (np.ones(2), [tensor("float64", [-1], "a"), tensor("float64", [-1], "b")], "a dict"),
    "too few columns": ([[1]], [{"type": "long"}, {"type": "long"}], "takes 2 columns, but the data has 1"),
}


@pytest.mark.parametrize("name", REFUSED_BY_BOTH)
def test_what_would_lose_is_an_error_that_tells_where_and_why(name):
    data, specs, message = REFUSED_BY_BOTH[name]
    assert by_mlflow(data, specs) is None
    with pytest.raises(SchemaError, match=message) as caught:
        enforce(data, specs)
    assert "secret-value" not in str(caught.value)


def values(data, specs):
    return enforce(data, specs)["x"].tolist()


def test_whole_floats_and_long_integers_that_stay_the_same():
    assert values({"x": [1.0, 2.0]}, [column("long")]) == [1, 2]
    assert values(pd.DataFrame({"x": [5, 7]}), [column("double")]) == [5.0, 7.0]
    assert values(pd.DataFrame({"x": [0.5, np.nan]}), [column("float")])[0] == 0.5
    assert values(pd.DataFrame({"x": [Decimal("0.5")]}), [column("double")]) == [0.5]
    assert values({"x": np.array([2**31 - 1], "int64")}, [column("integer")]) == [2**31 - 1]


def test_plain_floats_are_of_no_width():
    assert enforce({"x": [0.1]}, [column("float")])["x"].dtype == "float32"
    assert enforce([{"x": 0.1}], [column("float")])["x"].dtype == "float32"
    assert enforce([[0.1, 0.2]], [tensor("float32", [-1, 2])]).dtype == "float32"


def test_dates_and_bytes_that_came_as_text():
    dates = enforce({"x": ["2020-01-01", "2020-01-02T03:04:05"]}, [column("datetime")])["x"]
    assert dates.tolist() == [pd.Timestamp(2020, 1, 1), pd.Timestamp(2020, 1, 2, 3, 4, 5)]
    assert values([{"x": date(2020, 1, 1)}], [column("datetime")]) == [pd.Timestamp(2020, 1, 1)]
    assert values({"x": [base64.b64encode(b"\x00\xff").decode()]}, [column("binary")]) == [b"\x00\xff"]
    assert values({"x": [bytearray(b"a")]}, [column("binary")]) == [b"a"]
    with pytest.raises(SchemaError, match="base64"):
        enforce({"x": ["not base64!"]}, [column("binary")])
    zoned = pd.DataFrame({"x": pd.to_datetime(["2020-01-01"], utc=True)})
    assert enforce(zoned, schema(zoned)).equals(zoned)


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [("double", "float64"), ("float", "float32"), ("long", "float64"), ("string", "object"), ("datetime", "M8[ns]")],
)
def test_optional_columns_that_are_missing_are_filled(kind, dtype):
    specs = [column("long", "a"), {**column(kind), "required": False}, column("long", "b")]
    suited = enforce(pd.DataFrame({"b": [1, 2], "a": [3, 4]}, index=[5, 5]), specs)
    assert list(suited.columns) == ["a", "x", "b"]
    assert suited["x"].isna().all()
    assert suited["x"].dtype == dtype
    assert suited["b"].tolist() == [1, 2]


def test_optional_values():
    whole = {**column("long"), "required": False}
    assert enforce({"x": [1.0, None]}, [whole])["x"].isna().tolist() == [False, True]
    assert enforce([{"x": 1}, {}], [whole])["x"].isna().tolist() == [False, True]
    with pytest.raises(SchemaError, match="whole"):
        enforce({"x": [1.5, None]}, [whole])
    some = column("object", properties={"a": {"type": "long", "required": False}})
    assert values([{"x": {"a": None}}, {"x": {}}], [some]) == [{"a": None}, {}]


def test_frames_of_pandas_own_types_stay_as_they_are():
    frame = pd.DataFrame(
        {
            "category": pd.Categorical(["a", "b"]),
            "nullable": pd.array([1, None], dtype="Int64"),
            "sparse": pd.arrays.SparseArray([0.0, 1.0]),
            "flag": pd.array([True, None], dtype="boolean"),
        }
    )
    specs = schema(frame)
    assert enforce(frame, specs).equals(frame)
    assert (enforce(frame, specs).dtypes == frame.dtypes).all()
    assert values(pd.DataFrame({"x": pd.array([1, None], dtype="Int64")}), [column("double")])[0] == 1.0


def test_the_frame_that_was_given_is_not_changed():
    frame = pd.DataFrame({"b": [1, 2], "x": np.array([1, 2], "int32")})
    before = frame.copy()
    enforce(frame, [column("double"), column("double", "b")])
    pd.testing.assert_frame_equal(frame, before)
    objects = [{"x": {"a": 1.0}}]
    enforce(objects, [column("object", properties={"a": {"type": "long", "required": True}})])
    assert type(objects[0]["x"]["a"]) is float


def test_names_that_are_numbers_and_names_of_levels():
    frame = pd.DataFrame(np.ones((2, 2)))
    specs = schema(frame)
    assert enforce(frame[[1, 0]], specs).columns.tolist() == [0, 1]
    assert enforce({"1": [1.0], "0": [2.0]}, specs).to_dict("list") == {0: [2.0], 1: [1.0]}
    levels = pd.DataFrame({("a", "p"): [1], ("a", "q"): [2]})
    assert enforce(levels[[("a", "q"), ("a", "p")]], schema(levels)).equals(levels)
    twice = pd.DataFrame([[1, 2]], columns=["x", "x"])
    with pytest.raises(SchemaError, match="2 columns 'x'"):
        enforce(twice, [column("long")])


def test_rows_without_names_for_columns_with_names():
    specs = [column("double", "a"), column("double", "b")]
    for data in (np.ones((2, 2)), [[1.0, 1.0], [1.0, 1.0]], scipy.sparse.csr_matrix(np.ones((2, 2)))):
        suited = enforce(data, specs)
        assert suited.columns.tolist() == ["a", "b"]
        assert suited["b"].tolist() == [1.0, 1.0]
        with pytest.raises(SchemaError, match=r"3 columns, but the data has 2|columns"):
            enforce(data, [*specs, column("double", "c")])
    assert enforce(pd.Series([1.0], name="other"), [column("double", "a")]).columns.tolist() == ["a"]


def test_lists_for_a_column_of_lists():
    specs = [{"type": "array", "items": {"type": "double"}, "required": True}]
    assert enforce([[1.0, 2], [3.0]], specs)[0].tolist() == [[1.0, 2.0], [3.0]]
    assert enforce(np.ones((2, 3)), specs)[0].map(list).tolist() == [[1.0] * 3] * 2
    named = [{**specs[0], "name": "x"}]
    assert values({"x": [1.0, 2.0]}, named) == [[1.0, 2.0]]
    assert values({"x": [[1.0], [2.0]]}, named) == [[1.0], [2.0]]


def test_tables_of_arrow():
    import pyarrow as pa

    table = pa.table({"x": [1, 2], "t": ["a", None]})
    assert enforce(table, schema(table)).to_dict("list")["x"] == [1, 2]


def test_inputs_that_have_no_names_are_given_as_a_list():
    specs = [tensor("float32", [-1, 2], "input_0"), tensor("int64", [-1], "input_1")]
    one, two = np.ones((2, 2), "float32"), np.ones(2, "int64")
    frame = pd.DataFrame({"input_0": [[1.0, 1.0]] * 2, "input_1": [1, 1]})
    rows = [{"input_0": [1, 1], "input_1": 1}] * 2
    lists = {"input_0": one.tolist(), "input_1": [1, 1]}
    for data in ((one, two), [one, two], {"input_1": two, "input_0": one}, frame, rows, lists):
        suited = enforce(data, specs)
        assert type(suited) is list
        same(dict(enumerate(suited)), {0: one, 1: two})
    named = [tensor("float32", [-1, 2], "a"), tensor("int64", [-1], "b")]
    same(enforce((one, two), named), {"a": one, "b": two})


def test_lists_for_tensors():
    same(enforce([[1, 2], [3, 4]], [tensor("int32", [-1, 2])]), np.array([[1, 2], [3, 4]], "int32"))
    same(enforce([1, 0], [tensor("float64", [-1])]), np.array([1.0, 0.0]))
    for data in ([[1.5]], [["a"]], [[1], [2, 3]], [[None]], [{"a": 1}], None):
        with pytest.raises(SchemaError):
            enforce(data, [tensor("int64", [-1, 1])])


def test_tensors_that_suit_are_given_back_and_others_converted_if_nothing_is_lost():
    import torch

    specs = [tensor("float32", [-1, 2])]
    for dtype in (torch.float32, torch.bfloat16):
        given = torch.ones((3, 2), dtype=dtype)
        assert enforce(given, specs) is given
        assert enforce((given,), specs) is given
    same(enforce(torch.ones((3, 2), dtype=torch.float64), specs), np.ones((3, 2), "float32"))
    same(enforce(torch.ones((3, 2), dtype=torch.bfloat16), [tensor("float64", [-1, 2])]), np.ones((3, 2)))
    with pytest.raises(SchemaError, match="rounded"):
        enforce(torch.full((1, 2), 0.1, dtype=torch.float64), specs)
    assert enforce(torch.ones((3, 2)), [column("float", "a"), column("float", "b")])["b"].tolist() == [1, 1, 1]
    sparse = scipy.sparse.csr_matrix(np.eye(2))
    same(enforce(sparse, specs), scipy.sparse.csr_matrix(np.eye(2, dtype="float32")))
    assert sparse.dtype == "float64"


NUMBERS = ("int8", "int32", "int64", "uint8", "uint64", "float16", "float32", "float64")
LIMITS = st.sampled_from([0, 1, -1, 2**24 + 1, 2**31, 2**53, 2**53 + 1, 2**63 - 1, -(2**63), 0.5, 1e300, float("nan")])


@given(st.lists(st.one_of(LIMITS, st.integers(-300, 300), st.floats()), min_size=1), st.sampled_from(NUMBERS))
def test_no_number_is_ever_changed(numbers, dtype):
    with np.errstate(all="ignore"):
        array = np.array(numbers, dtype=object).astype("float64").astype(dtype)
    frame = pd.DataFrame({"x": array})
    for kind in ("integer", "long", "float", "double"):
        expected = by_mlflow(frame, [column(kind)])
        try:
            suited = enforce(frame, [column(kind)])["x"].tolist()
        except SchemaError:
            assert expected is None
            continue
        for one, other in zip(suited, array.tolist(), strict=True):
            assert one == other or (one != one and other != other)


ARRAYS = st.sampled_from([np.ones((2, 3)), np.ones(2), np.ones((2, 3, 1), "int32"), [[1, 2, 3]], "a", None, {"x": [1]}])


@given(st.one_of(ARRAYS, st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=5)))
def test_any_data_suits_or_is_a_schema_error(data):
    for specs in (
        [tensor("float32", [-1, 3])],
        [tensor("int64", [-1, -1], "a"), tensor("int64", [-1], "b")],
        [column("long")],
        [column("string"), column("array", "y", items={"type": "long"})],
        [{"type": "double", "required": True}],
    ):
        with suppress(SchemaError):
            enforce(data, specs)


PARAMS = [
    {"name": "n", "default": 3, "shape": None, "type": "long"},
    {"name": "t", "default": 0.5, "shape": None, "type": "double"},
    {"name": "stop", "default": ["a"], "shape": [-1], "type": "string"},
    {"name": "since", "default": "2020-01-01T00:00:00", "shape": None, "type": "datetime"},
]


def test_params_have_defaults_and_types():
    assert enforce_params({"t": 1, "stop": ("x", "y")}, PARAMS) == {
        "n": 3,
        "t": 1.0,
        "stop": ["x", "y"],
        "since": datetime(2020, 1, 1),
    }
    assert enforce_params({"n": np.int32(5)}, PARAMS)["n"] == 5
    assert enforce_params({"free": 1}, []) == {"free": 1}
    for given_params, message in (
        ({"m": 1}, r"no params \['m'\]"),
        ({"n": 1.5}, "param 'n'"),
        ({"n": "secret-value"}, "param 'n' must be of type long, but is of type string"),
        ({"n": [1]}, "param 'n'"),
        ({"stop": "x"}, "list of string"),
    ):
        with pytest.raises(SchemaError, match=message) as caught:
            enforce_params(given_params, PARAMS)
        assert "secret-value" not in str(caught.value)


@pytest.mark.parametrize(
    "inputs",
    [
        "{",
        "{}",
        "[1]",
        '[{"name": "x"}]',
        '[{"type": 1}]',
        '[{"type": "array"}]',
        '[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": ["a"]}}]',
        '[{"type": "object", "properties": []}]',
        '[{"type": "object", "properties": [1]}]',
        '[{"type": "long", "name": "x"}, {"type": "long"}]',
        '[{"type": "long"}, {"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1]}}]',
        "[" * 5000,
    ],
)
def test_a_signature_that_cannot_be_understood(inputs):
    with pytest.raises(ReticentError, match="signature cannot be understood"):
        Signature.parse({"inputs": inputs})
