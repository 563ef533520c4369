"""Signatures and input examples, by kind of data."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from reticent.models import example
from reticent.models.signature import FIRST_ROWS, schema, signature
from reticent_redact import Redactor, Report


def types(data):
    return [spec["type"] for spec in schema(data)]


def test_columns_of_a_frame_by_dtype():
    frame = pd.DataFrame(
        {
            "flag": [True, False],
            "i8": np.array([1, 2], "int8"),
            "i4": np.array([1, 2], "int32"),
            "u4": np.array([1, 2], "uint32"),
            "i8long": [1, 2],
            "f2": np.array([1, 2], "float16"),
            "f4": np.array([1, 2], "float32"),
            "f8": [1.0, 2.0],
            "text": ["a", "b"],
            "object": pd.Series(["a", None], dtype=object),
            "bytes": [b"a", b"b"],
            "when": pd.to_datetime(["2020-01-01", "2020-01-02"]),
            "zoned": pd.to_datetime(["2020-01-01", "2020-01-02"], utc=True),
            "category": pd.Categorical(["a", "b"]),
            "nullable": pd.array([1, None], dtype="Int64"),
            "span": pd.to_timedelta([1, 2]),
            "mixed": [1, "a"],
            "lists": [[1.0], [2.0, 3.0]],
        }
    )
    specs = {spec["name"]: spec for spec in schema(frame)}
    assert {name: spec["type"] for name, spec in specs.items()} == {
        "flag": "boolean",
        "i8": "integer",
        "i4": "integer",
        "u4": "long",
        "i8long": "long",
        "f2": "float",
        "f4": "float",
        "f8": "double",
        "text": "string",
        "object": "string",
        "bytes": "binary",
        "when": "datetime",
        "zoned": "datetime",
        "category": "string",
        "nullable": "long",
        "span": "any",
        "mixed": "any",
        "lists": "array",
    }
    assert specs["lists"]["items"] == {"type": "double"}
    assert not specs["object"]["required"]
    assert not specs["nullable"]["required"]
    assert specs["f8"]["required"]


def test_names_that_are_numbers_stay_numbers():
    assert [spec["name"] for spec in schema(pd.DataFrame(np.ones((2, 2))))] == [0, 1]
    assert [spec["name"] for spec in schema(pd.DataFrame({("a", 1): [1]}))] == ["('a', 1)"]


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.ones((3, 2)), ("float64", [-1, 2])),
        (np.ones(3, "int32"), ("int32", [-1])),
        (np.array(["a", "long text"]), ("str", [-1])),
        (scipy.sparse.csr_matrix(np.eye(3)), ("float64", [-1, 3])),
        (scipy.sparse.csc_array(np.eye(3, dtype="float32")), ("float32", [-1, 3])),
    ],
)
def test_tensors(array, expected):
    (spec,) = schema(array)
    assert (spec["tensor-spec"]["dtype"], spec["tensor-spec"]["shape"]) == expected


def test_named_tensors():
    assert schema({"x": np.ones((2, 4), "float32")}) == [
        {"name": "x", "type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 4]}}
    ]


def test_plain_python():
    assert types(["a", "b"]) == ["string"]
    assert schema([[1.0, 2.0], [3.0]]) == [{"type": "array", "items": {"type": "double"}, "required": True}]
    assert schema([{"q": "a", "n": 1}, {"q": "b"}]) == [
        {"type": "string", "name": "q", "required": True},
        {"type": "long", "name": "n", "required": False},
    ]
    assert types({"q": "a", "n": [1, 2], "d": {"k": datetime(2020, 1, 1)}}) == ["string", "array", "object"]


def test_series_and_what_has_no_signature():
    assert schema(pd.Series([1, 2], name="y")) == [{"type": "long", "name": "y", "required": True}]
    assert schema(pd.Series([1, None])) == [{"type": "double", "required": True}]
    assert signature(object(), [1]) is None
    assert signature(None, None) is None
    assert signature(["a"], None) == {"inputs": '[{"type":"string","required":true}]', "outputs": None, "params": None}


def test_only_first_rows_are_looked_at():
    read = 0

    class Texts(list):
        def __iter__(self):
            nonlocal read
            read += len(self)
            return super().__iter__()

        def __getitem__(self, key):
            return Texts(super().__getitem__(key)) if isinstance(key, slice) else super().__getitem__(key)

    schema(Texts(["a"] * 100_000))
    assert read <= 10 * FIRST_ROWS


def test_no_framework_is_imported():
    program = (
        "import sys\nfrom reticent.models.signature import signature\nfrom reticent.models.example import take\n"
        "signature([{'a': 1}], [1.0]); take({'a': 1})\n"
        "print(sorted({'numpy', 'pandas', 'scipy', 'sklearn', 'yaml'} & sys.modules.keys()))"
    )
    environment = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


def sealed(data):
    info, files = example.seal(example.take(data), Redactor(), Report())
    return info, {name: json.loads(text) for name, text in files.items()}


def test_the_example_of_a_frame_is_its_first_rows():
    frame = pd.DataFrame({"a": range(9), "b": [None, 1.5] * 4 + [2.0], "t": pd.to_datetime(["2020-01-01"] * 9)})
    info, files = sealed(frame)
    assert info == {
        "artifact_path": "input_example.json",
        "type": "dataframe",
        "pandas_orient": "split",
        "serving_input_path": "serving_input_example.json",
    }
    rows = [[i, None if i % 2 == 0 else 1.5, "2020-01-01T00:00:00"] for i in range(5)]
    assert files["input_example.json"] == {"columns": ["a", "b", "t"], "data": rows}
    assert files["serving_input_example.json"] == {"dataframe_split": files["input_example.json"]}


def test_examples_of_other_kinds():
    assert sealed(np.arange(12).reshape(6, 2))[1]["serving_input_example.json"]["inputs"][4] == [8, 9]
    assert sealed({"x": np.arange(9)})[1]["input_example.json"] == {"x": [0, 1, 2, 3, 4]}
    assert sealed([{"q": "a"}])[1]["input_example.json"] == [{"q": "a"}]
    info, files = sealed(scipy.sparse.csr_matrix(np.eye(7)))
    assert info == {"artifact_path": "input_example.json", "type": "sparse_matrix_csr"}
    assert files["input_example.json"]["shape"] == [5, 7]


def test_what_has_no_example():
    wide = np.ones((2, example.MAX_CELLS + 1))
    for data in (
        None,
        object(),
        np.float64(1),
        np.ones(()),
        wide,
        pd.DataFrame(wide),
        scipy.sparse.csc_matrix(np.eye(3)),
    ):
        assert example.take(data) is None
    assert example.take(pd.DataFrame([[1, 2]], columns=["a", "a"])) is None
    assert len(example.take(np.ones((9, example.MAX_CELLS // 2))).data) == 2


def test_values_under_a_secret_s_name_are_hidden_in_every_row():
    _, files = sealed(pd.DataFrame({"user": ["ann", "bob"], "password": ["hunter2-x", "swordfish-y"]}))
    for name, content in files.items():
        assert "hunter2" not in str(content), name
        assert "swordfish" not in str(content), name
        assert "ann" in str(content), name
