"""Signatures and input examples, by kind of data."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from datetime import datetime

import msgspec
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.linear_model import LogisticRegression

from reticent.models import example
from reticent.models.signature.infer import FIRST_ROWS, schema, signature
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
        "import sys\nfrom reticent.models.signature.infer import signature\nfrom reticent.models.example import take\n"
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


@pytest.mark.parametrize(
    "data",
    [
        pd.DataFrame({"a": [1, 2], "b": [1.5, np.nan], "c": ["x", None], "d": pd.to_datetime(["2020-01-01", None])}),
        pd.DataFrame({"lists": [[1.5], []], "objects": [{"a": 1}, {"a": None, "b": [True]}], "none": [None, None]}),
        pd.DataFrame({"texts": pd.Categorical(["a", "b"]), "n": pd.array([1, None], dtype="Int32")}),
        pd.Series([1.5, 2.5], name="y"),
        pd.Series(["a", None], name="y"),
        np.ones((2, 3, 4), "float32"),
        np.array(["a", "bc"]),
        scipy.sparse.csr_matrix(np.eye(2)),
        {"x": np.ones((2, 3)), "y": np.ones(2, "int32")},
        ["a", "b"],
        [[1, 2], [3]],
        [{"a": 1, "b": "x"}, {"a": 2}],
        [{"o": {"k": 1}}, {"o": {"k": 2, "more": [1.5]}}, {"o": {"k": None}}],
        [{"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": None}]}],
        {"q": "a", "n": [1, 2], "none": None, "gaps": ["a", None], "deep": [[1.5], []], "empty": []},
        {"q": np.float32(1), "i": np.int32(1), "flag": np.bool_(True), "bytes": b"a", "when": datetime(2020, 1, 1)},
    ],
)
def test_what_mlflow_infers_is_inferred(data):
    import mlflow
    from mlflow.models import ModelSignature

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = mlflow.models.infer_signature(data)
    assert ModelSignature.from_dict(signature(data, None)) == expected


def test_types_that_are_mixed_are_any():
    assert schema([{"a": {"k": 1}}, {"a": {"k": "x"}}, {"a": {}}, {"a": {"k": 1}}])[0]["properties"] == {
        "k": {"type": "any", "required": True}
    }
    optional = schema([{"a": {"k": 1}}, {"a": {"k": "x"}}, {"a": {"l": 1}}, {"a": {"k": 1}}])[0]["properties"]
    assert optional["k"] == {"type": "any", "required": False}
    assert types([1, 2.5]) == ["double"]
    assert types([np.int32(1), 2]) == ["long"]
    assert types([1, "a"]) == ["any"]


def tensors(data):
    return [(spec.get("name"), spec["tensor-spec"]["dtype"], spec["tensor-spec"]["shape"]) for spec in schema(data)]


def loads(data):
    """Whether MLflow understands the signature."""
    from mlflow.models import ModelSignature

    written = signature(data, data)
    return len(ModelSignature.from_dict(written).inputs.inputs) == len(json.loads(written["inputs"]))


def test_tensors_of_torch():
    import torch

    x, ids = torch.ones((4, 3)), torch.ones((4, 7), dtype=torch.int64)
    assert tensors(x) == [(None, "float32", [-1, 3])]
    assert tensors(torch.nn.Parameter(x)) == tensors((x,)) == tensors(x)
    assert tensors(torch.ones(2, dtype=torch.bfloat16)) == [(None, "float32", [-1])]
    assert tensors(torch.ones(2, dtype=torch.bool)) == [(None, "bool", [-1])]
    assert tensors(torch.tensor(1.0)) == [(None, "float32", [])]
    both = [("input_0", "float32", [-1, 3]), ("input_1", "int64", [-1, 7])]
    assert tensors((x, ids)) == tensors([x, ids]) == tensors((x.numpy(), ids)) == both
    named = {"x": x, "ids": ids, "past": None}
    assert tensors(named) == [("x", "float32", [-1, 3]), ("ids", "int64", [-1, 7])]
    assert all(map(loads, (x, (x, ids), named, torch.tensor(1.0), torch.ones(2, dtype=torch.bfloat16))))
    assert schema({"x": x, "text": "a"})[0] == {
        "type": "array",
        "items": {"type": "array", "items": {"type": "float"}},
        "name": "x",
        "required": True,
    }


def test_a_tensor_without_values_has_a_signature_and_no_example():
    import keras
    import torch

    meta = torch.ones((4, 3), device="meta")  # which raises if its values are asked for
    assert tensors(meta) == [(None, "float32", [-1, 3])]
    symbol = keras.KerasTensor((None, 3), "float32")
    assert tensors([symbol, symbol]) == [("input_0", "float32", [-1, 3]), ("input_1", "float32", [-1, 3])]
    for data in (meta, symbol, {"x": symbol}):
        assert example.take(data) is None


def test_tensors_of_tensorflow_and_jax():
    import jax.numpy as jnp
    import tensorflow as tf

    assert tensors(tf.ones((2, 3))) == tensors(tf.Variable(tf.ones((2, 3)))) == [(None, "float32", [-1, 3])]
    assert tensors(tf.TensorSpec((None, None, 3), tf.int32)) == [(None, "int32", [-1, -1, 3])]
    assert tensors(tf.constant(["a"])) == [(None, "object", [-1])]
    assert schema(tf.TensorSpec(None, tf.int32)) is None
    assert tensors({"x": jnp.ones((2, 3)), "y": jnp.ones(2, "bfloat16")}) == [
        ("x", "float32", [-1, 3]),
        ("y", "float32", [-1]),
    ]
    assert all(map(loads, (tf.ones((2, 3)), tf.constant(["a"]), jnp.ones(2, "bfloat16"))))


def test_tables_of_arrow():
    import pyarrow as pa

    table = pa.table(
        {"i": pa.array([1, None], "int32"), "t": ["a", "b"], "l": [[1.5], []], "d": pa.array([1, 2], pa.date32())}
    )
    assert [(spec["name"], spec["type"], spec["required"]) for spec in schema(table)] == [
        ("i", "integer", False),
        ("t", "string", True),
        ("l", "array", True),
        ("d", "datetime", True),
    ]
    assert schema(table)[2]["items"] == {"type": "double"}
    assert example.take(table).data == [[1, "a", [1.5], "1970-01-02"], [None, "b", [], "1970-01-03"]]


PARAMS = {
    "n": 3,
    "t": 0.5,
    "text": "a",
    "flag": True,
    "stop": ["a", "b"],
    "sizes": np.array([1, 2]),
    "narrow": np.float32(0.5),
    "since": datetime(2020, 1, 1),
    "options": {"k": 1, "deep": {"l": ["a"]}},
}


def test_params_as_mlflow_has_them():
    import mlflow
    from mlflow.models import ModelSignature

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = mlflow.models.infer_signature(["a"], params={**PARAMS, "sizes": [1, 2]})
    assert ModelSignature.from_dict(signature(["a"], None, PARAMS)) == expected
    assert json.loads(signature(["a"], None, {"stop": []})["params"])[0]["type"] == "double"
    alone = signature(None, None, {"n": 1})
    assert alone == {
        "inputs": None,
        "outputs": None,
        "params": '[{"name":"n","default":1,"shape":null,"type":"long"}]',
    }
    assert ModelSignature.from_dict(alone).params.params[0].default == 1


@pytest.mark.parametrize("default", [None, object(), [[1]], [1, "a"], b"bytes", {}])
def test_a_param_that_mlmodel_cannot_hold(default):
    with pytest.raises(TypeError, match="the param 'odd'"):
        signature(["a"], None, {"odd": default})


def again(data):
    """What a model is given of an example of this data, after it was written and read."""
    taken = msgspec.json.decode(msgspec.json.encode(example.take(data), enc_hook=str), type=example.Example)
    return example.data(taken, schema(data))


def test_an_example_comes_back_as_it_was():
    import torch

    frame = pd.DataFrame(
        {
            "i4": np.array([1, 2], "int32"),
            "f4": np.array([0.1, 2], "float32"),
            "when": pd.Series(["2020-01-01", "2020-01-02"], dtype="datetime64[us]"),
            "text": ["a", "b"],
            "bytes": [b"\xff", b"b"],
            "lists": [[1.5], []],
        }
    )
    pd.testing.assert_frame_equal(again(frame), frame)
    for array in (
        np.array([[0.1, 2]], "float32"),
        np.array([1, 2], "uint8"),
        np.array([True]),
        np.array(["a", "bc"]),
        np.array(["2020-01-01"], "datetime64[s]"),
    ):
        back = again(array)
        assert back.dtype == array.dtype
        assert (back == array).all()
    x, ids = torch.rand((9, 2)), torch.ones((7, 3), dtype=torch.int32)
    assert (again(x) == x[:5].numpy()).all()
    assert again(x).dtype == "float32"
    one, two = again((x, ids))
    assert (one.shape, one.dtype, two.shape, two.dtype) == ((5, 2), "float32", (5, 3), "int32")
    assert again({"x": x, "ids": ids})["ids"].dtype == "int32"
    assert (again(scipy.sparse.csr_matrix(np.eye(3, dtype="float32"))).dtype) == "float32"
    assert again(torch.ones(2, dtype=torch.bfloat16)).tolist() == [1, 1]
    assert again(["a", "b"]) == ["a", "b"]


def test_mlflow_reads_the_example_of_tensors(run):
    import mlflow
    import torch

    for path, data in (("one", torch.rand((7, 2))), ("two", (torch.rand((7, 2)), torch.ones(7, dtype=torch.int32)))):
        run.log(LogisticRegression(), path, input_example=data, params={"n": 1})
        described = mlflow.models.Model.load(str(run.path / "artifacts" / path))
        read = described.load_input_example(str(run.path / "artifacts" / path))
        if path == "one":
            assert read.dtype == "float32"
            assert (read == data[:5].numpy()).all()
        else:
            assert read["input_1"].dtype == "int32"
            assert (read["input_0"] == data[0][:5].numpy()).all()
        assert described.signature.params.params[0].name == "n"


def test_predictions_of_any_framework():
    import torch

    assert example.predictions(torch.ones((2, 1), dtype=torch.bfloat16)) == [[1.0], [1.0]]
    assert example.predictions((torch.ones(2), np.ones(1))) == [[1.0, 1.0], [1.0]]
    assert example.predictions({"logits": torch.ones(1), "loss": None}) == {"logits": [1.0], "loss": None}
    assert example.predictions(torch.ones((2, 1), device="meta")) is None
    assert example.predictions(torch.tensor(1.0)) is None
