"""What a converter makes of a model, checked, and with nothing but the output that the model predicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import metadata
from typing import Any

from reticent.models.convert import SAME, differs
from reticent_integrations.onnx import inputs
from reticent_integrations.onnx.flavor import flavor

INPUT = "input"


def converted(convert: Callable[[Any, Any], Any], model: Any, features: int, *needed: str) -> bytes:
    """A model of so many features by `convert(model, types of inputs)` of onnxmltools, its input an array of floats.

    RuntimeError says which versions of the `needed` distributions failed.
    """
    from onnxmltools.convert.common.data_types import FloatTensorType

    try:
        made = convert(model, [(INPUT, FloatTensorType([None, features]))])
    except Exception as error:  # it has kinds of models and parameters that it does not know
        # Not every version of it reads what every version of a framework says of a model.
        versions = ", ".join(f"{name} {_version(name)}" for name in ("onnxmltools", "onnx", *needed))
        raise RuntimeError(
            f"onnxmltools cannot convert this {type(model).__name__} ({type(error).__name__}: {error}); it knows no "
            f"categories, and not every version of it knows every version of a framework. Installed are {versions}; "
            "try other versions of them"
        ) from error
    for output in made.graph.output:
        if output.type.HasField("tensor_type"):  # for it, labels come one at a time
            output.type.tensor_type.shape.dim[0].dim_param = "rows"
    content: bytes = made.SerializeToString()
    return content


def check(content: bytes, example: Any, expected: Any) -> None:
    """ValueError if a converted model gives for an example what is not expected of it: onnxmltools takes models of kinds
    that it does not know for those of others."""
    import numpy as np
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    given = np.asarray(session.run(None, {INPUT: np.asarray(example, dtype=np.float32)})[-1])
    expected = np.asarray(expected)
    if expected.ndim == 1 and given.ndim == 2 and given.shape[1] == 2:
        given = given[:, 1]  # of two probabilities, boosters give one
    if given.size != expected.size or not np.allclose(given.reshape(expected.shape), expected, SAME, SAME, True):
        raise ValueError("onnxmltools does not know models of this objective: converted, it gives other predictions")


def check_predictions(model: Any, example: Any, expected: Any) -> None:
    """ValueError if an ONNX model gives for an example what is not expected of it; what it raises if it fails."""
    assert flavor.predict is not None
    if difference := differs(flavor.predict(model, example, {}), expected):
        raise ValueError(f"the converted model differs for the input example: {difference}")


def as_predicted(content: bytes, example: Any, expected: Any) -> bytes:
    """A model of onnxmltools that gives what the flavour's `predict` gives, for data as they come: a classifier's labels,
    or what is expected of a booster."""
    import onnx

    model = onnx.load_from_string(content)
    if expected is None:
        first_output(model)
    else:
        _last_output(model, expected)
    return bytes(inputs.suited(model, example).SerializeToString())


def first_output(model: Any) -> None:
    """Leave an ONNX model its first output: labels, without probabilities, which MLflow puts into no frame with them."""
    _keep(model, model.graph.output[0])


def columns_apart(model: Any, example: Any, expected: Any) -> None:
    """Make an ONNX model's matrix an output for each column, if a table gives one: MLflow's frames have no matrices."""
    if not hasattr(example, "columns") or getattr(expected, "ndim", 1) != 2 or expected.shape[1] < 2:
        return
    output = model.graph.output[0]
    names = getattr(expected, "columns", [f"{output.name}_{index}" for index in range(expected.shape[1])])
    _gather(model, output, [(str(name), index) for index, name in enumerate(names)])


def _last_output(model: Any, expected: Any) -> None:
    """Leave an ONNX model what a booster predicts, its last output: of two probabilities the second, if one is expected."""
    import numpy as np

    is_alone = len(model.graph.output) == 1
    output = model.graph.output[-1]
    _keep(model, output)
    if not is_alone and np.ndim(expected) == 1:
        _gather(model, model.graph.output[0], [(f"{output.name}_1", 1)])


def _gather(model: Any, output: Any, columns: list[tuple[str, int]]) -> None:
    """Make columns of an output, each under a name, the outputs."""
    from onnx import TensorProto, helper

    whole, elem = output.name, output.type.tensor_type.elem_type
    del model.graph.output[:]
    for name, index in columns:
        at = f"{whole}_at_{index}"
        model.graph.initializer.append(helper.make_tensor(at, TensorProto.INT64, [], [index]))
        model.graph.node.append(helper.make_node("Gather", [whole, at], [name], axis=1))
        model.graph.output.append(helper.make_tensor_value_info(name, elem, ["rows"]))
    inputs.with_operators(model)


def _keep(model: Any, output: Any) -> None:
    """Leave one output, and of the nodes those that it comes from."""
    kept = type(output)()
    kept.CopyFrom(output)
    del model.graph.output[:]
    model.graph.output.append(kept)
    needed, nodes = {kept.name}, []
    for node in reversed(model.graph.node):  # which are in the order in which they run
        if needed & set(node.output):
            nodes.append(node)
            needed.update(_read(node))
    copies = [type(node).FromString(node.SerializeToString()) for node in reversed(nodes)]
    del model.graph.node[:]
    model.graph.node.extend(copies)
    for tensor in [tensor for tensor in model.graph.initializer if tensor.name not in needed]:
        model.graph.initializer.remove(tensor)


def _read(node: Any) -> Iterator[str]:
    """The names that a node takes values by, and the graphs in it."""
    yield from node.input
    for attribute in node.attribute:
        for graph in [attribute.g, *attribute.graphs]:
            for inner in graph.node:
                yield from _read(inner)


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "(under another name)"
