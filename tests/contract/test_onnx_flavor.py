"""The flavour of ONNX keeps the contract."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
import yaml
from onnx import TensorProto, helper, numpy_helper
from tests.contract.flavors import FlavorMatrix

from reticent.errors import ReticentError
from reticent.models import load_model, load_pyfunc
from reticent.testing import ModelCase
from reticent_integrations.onnx import files
from reticent_integrations.onnx.flavor import flavor

ROWS = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
WEIGHTS = np.random.default_rng(1).normal(size=(4, 300)).astype(np.float32)


def linear(outputs: int = 1) -> Any:
    weights = [numpy_helper.from_array(WEIGHTS, "weights"), numpy_helper.from_array(np.float32([2]), "scale")]
    nodes = [
        helper.make_node("MatMul", ["x", "weights"], ["all"]),
        helper.make_node("Mul", ["all", "scale"], ["scaled"]),
        helper.make_node("ReduceSum", ["scaled"], ["sum"], keepdims=0),
        helper.make_node("ReduceMean", ["x"], ["mean"], keepdims=0),
    ]
    nodes[2].input.append("axes")
    nodes[3].input.append("axes")
    weights.append(numpy_helper.from_array(np.array([1], dtype=np.int64), "axes"))
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in ("sum", "mean")]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])
    return made(nodes[: 2 + outputs], [x], values[:outputs], weights)


def two_inputs() -> Any:
    one, other = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in ("one", "other"))
    total = helper.make_tensor_value_info("total", TensorProto.FLOAT, ["n"])
    scale = numpy_helper.from_array(np.float32([2]), "scale")
    nodes = [helper.make_node("Mul", ["one", "scale"], ["scaled"])]
    nodes.append(helper.make_node("Add", ["scaled", "other"], ["total"]))
    return made(nodes, [one, other], [total], [scale])


def made(nodes: Any, inputs: Any, outputs: Any, initializers: Any) -> Any:
    graph = helper.make_graph(nodes, "graph", inputs, outputs, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


class TestONNXFlavor(FlavorMatrix):
    flavor = flavor
    module = "onnx"
    kinds = ("array", "frame", "two outputs", "two inputs", "two inputs, frame", "data beside it")

    @pytest.fixture(autouse=True)
    def _of_any_size(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        if "data beside it" in request.node.name:
            monkeypatch.setattr(files, "ONE_FILE", 1000)

    def case(self, kind: str) -> ModelCase:
        model = two_inputs() if kind.startswith("two inputs") else linear(2 if kind == "two outputs" else 1)
        example: Any = ROWS
        if kind == "frame":
            example = pd.DataFrame(ROWS, columns=list("abcd"))
        elif kind == "two inputs":
            example = {"one": ROWS[:, 0], "other": ROWS[:, 1]}
        elif kind == "two inputs, frame":
            example = pd.DataFrame({"one": ROWS[:, 0], "other": ROWS[:, 1]})
        return ModelCase(model, example)

    def outputs(self, case: ModelCase) -> Any:
        inputs, frame = case.example, isinstance(case.example, pd.DataFrame)
        session = onnxruntime.InferenceSession(case.model.SerializeToString())
        if frame:
            whole = len(session.get_inputs()) == 1
            inputs = (
                case.example.to_numpy() if whole else {name: case.example[name].to_numpy() for name in case.example}
            )
        feed = inputs if isinstance(inputs, dict) else {"x": inputs}
        names = [one.name for one in session.get_outputs()]
        outputs = dict(zip(names, session.run(names, feed), strict=True))
        return pd.DataFrame(outputs) if frame else outputs

    def plant(self, model: Any, secret: str) -> bool:
        model.metadata_props.add(key="note", value=secret)
        return True

    def change(self, model: Any) -> bool:
        scale = next(tensor for tensor in model.graph.initializer if tensor.name == "scale")
        scale.raw_data = np.float32([3]).tobytes()
        return True


def test_the_data_of_a_large_model_are_beside_it_and_the_model_is_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "ONE_FILE", 1000)
    model = linear()
    model.functions.add(name="f", domain="d")
    before = model.SerializeToString(deterministic=True)
    files.write(model, tmp_path / "model.onnx")
    assert model.SerializeToString(deterministic=True) == before
    assert (tmp_path / "model.onnx.data").read_bytes() == WEIGHTS.tobytes()
    for loaded in (files.read(tmp_path / "model.onnx"), onnx.load(tmp_path / "model.onnx")):
        for tensor in files.tensors(loaded):
            tensor.ClearField("data_location")  # of which ONNX now says that it is the usual one
        assert loaded.SerializeToString(deterministic=True) == before


def test_a_model_without_its_data_is_not_saved(tmp_path: Path) -> None:
    onnx.save(linear(), tmp_path / "model.onnx", save_as_external_data=True, location="data")
    with pytest.raises(ValueError, match=r"'weights' of the model is in another file; load .* with its data"):
        files.write(onnx.load(tmp_path / "model.onnx", load_external_data=False), tmp_path / "again.onnx")


@pytest.mark.parametrize("location", ["../outside", "/etc/hostname", "link", "x/../../outside", ""])
@pytest.mark.parametrize("place", ["initializer", "attribute", "function"])
def test_data_outside_of_the_directory_are_refused(tmp_path: Path, location: str, place: str) -> None:
    content = np.ones(4, dtype=np.float32).tobytes()
    (tmp_path / "outside").write_bytes(content)
    directory = tmp_path / "model"
    directory.mkdir()
    (directory / "link").symlink_to(tmp_path / "outside")
    tensor = TensorProto(name="stolen", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    tensor.external_data.add(key="length", value="16")
    model = linear()
    if place == "initializer":
        model.graph.initializer.append(tensor)
    else:
        nodes = model.graph.node if place == "attribute" else model.functions.add(name="f", domain="d").node
        nodes.append(helper.make_node("Constant", [], ["stolen"], value=tensor))
    (directory / "model.onnx").write_bytes(model.SerializeToString())
    config = {"onnx": {"data": "model.onnx"}}
    (directory / "MLmodel").write_text(yaml.safe_dump({"flavors": config}))
    with pytest.raises(ReticentError, match=r"must be relative and stay inside|leads out of its directory"):
        load_model(directory)


def test_a_label_and_its_probabilities_make_a_frame(tmp_path: Path) -> None:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])
    label = helper.make_tensor_value_info("label", TensorProto.INT64, ["n"])
    all_ = helper.make_tensor_value_info("all", TensorProto.FLOAT, ["n", 4])
    nodes = [
        helper.make_node("Softmax", ["x"], ["all"]),
        helper.make_node("ArgMax", ["x"], ["label"], axis=1, keepdims=0),
    ]
    contract = TestONNXFlavor()
    directory = contract.publish(tmp_path / "runs" / "a", made(nodes, [x], [label, all_], [])).directory
    frame = load_pyfunc(directory).predict(pd.DataFrame(ROWS.astype(np.float64)))
    assert list(frame["label"]) == list(ROWS.argmax(axis=1))
    assert np.allclose(np.stack(frame["all"]).sum(axis=1), 1)


def test_what_does_not_suit_the_inputs_is_told() -> None:
    assert flavor.predict is not None
    with pytest.raises(ValueError, match="has 2 inputs; give it a dict of arrays or a DataFrame with: one, other"):
        flavor.predict(two_inputs(), ROWS, {})
