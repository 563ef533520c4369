"""The inputs of converted models: they take data like the input example as it comes, from us and from MLflow.

Both give a model with one input a table's values as one array, in the type that pandas finds for all of them, and one with
more of them each column by its name, as an array of one dimension. Both make floats of doubles, and nothing else.
"""

from __future__ import annotations

from typing import Any

_INNER = "model_"
"""Before the names in a model that gets other inputs, as columns may have any name."""

_OPSET = 13
"""Of ONNX's own operators, for a model that has none of them so far."""


def suited(model: Any, example: Any) -> Any:
    """A converted model with inputs for data like an example."""
    import numpy as np

    is_frame = hasattr(example, "columns")
    inner = [(one.name, one.type.tensor_type.elem_type) for one in model.graph.input]
    if is_frame and len(inner) > 1:
        return _of_columns(model, example, [elem for _, elem in inner])
    values = example.to_numpy() if is_frame else np.asarray(example)
    elem = inner[0][1]
    if is_frame and values.dtype.kind == "O" and example.shape[1] > 1:  # numbers and booleans have no type for all
        return _of_columns(model, example, [elem] * example.shape[1])
    if _elem(values.dtype) == elem:
        return model
    return _of_one(model, values.dtype, elem)


def with_operators(model: Any) -> None:
    """Let a model have nodes of ONNX's own operators."""
    if not any(opset.domain in ("", "ai.onnx") for opset in model.opset_import):
        model.opset_import.add(domain="", version=_OPSET)


def _of_one(model: Any, dtype: Any, elem: int) -> Any:
    """A model whose one input is of another type, which is cast."""
    from onnx import helper

    name = model.graph.input[0].name
    shape = [dim.dim_value or "rows" for dim in model.graph.input[0].type.tensor_type.shape.dim]
    model = _renamed(model, {name})
    nodes = [helper.make_node("Cast", [name], [_INNER + name], to=elem)]
    return _before(model, [helper.make_tensor_value_info(name, _elem(dtype), shape)], nodes)


def _of_columns(model: Any, frame: Any, elems: list[int]) -> Any:
    """A model with an input of one dimension for each column, put together if the model has one input for all."""
    from onnx import helper

    names = [str(name) for name in frame.columns]
    inner = [_INNER + one.name for one in model.graph.input]
    is_joined = len(inner) < len(names)
    pieces = [f"{_INNER}column_{index}" for index in range(len(names))] if is_joined else inner
    model = _renamed(model, set(names))
    taken, nodes = [], []
    for index, (name, piece, elem) in enumerate(zip(names, pieces, elems, strict=True)):
        given = _elem(frame.dtypes.iloc[index])
        taken.append(helper.make_tensor_value_info(name, given, ["rows"]))
        upright = f"{piece}_upright"
        nodes.append(helper.make_node("Reshape", [name, f"{_INNER}upright"], [upright]))
        nodes.append(
            helper.make_node("Identity", [upright], [piece])
            if given == elem
            else helper.make_node("Cast", [upright], [piece], to=elem)
        )
    if is_joined:
        nodes.append(helper.make_node("Concat", pieces, inner, axis=1))
    model.graph.initializer.append(helper.make_tensor(f"{_INNER}upright", helper.TensorProto.INT64, [2], [-1, 1]))
    return _before(model, taken, nodes)


def _renamed(model: Any, taken: set[str]) -> Any:
    """A model in which no name is one of those taken."""
    from onnx import compose

    outputs = {output.name for output in model.graph.output}
    with_operators(model)
    return compose.add_prefix(model, _INNER, rename_functions=False, rename_outputs=bool(outputs & taken))


def _before(model: Any, inputs: list[Any], nodes: list[Any]) -> Any:
    """A model with other inputs, from which nodes make those that it had."""
    rest = [type(node).FromString(node.SerializeToString()) for node in model.graph.node]
    del model.graph.input[:], model.graph.node[:]
    model.graph.input.extend(inputs)
    model.graph.node.extend([*nodes, *rest])
    return model


def _elem(dtype: Any) -> int:
    """ONNX's number of a type of numpy's or pandas'."""
    import numpy as np
    from onnx import TensorProto, helper

    if not isinstance(dtype, np.dtype) or dtype.kind in "OUS":  # texts, categories
        return int(TensorProto.STRING)
    if dtype == np.float64:
        return int(TensorProto.FLOAT)
    return int(helper.np_dtype_to_tensor_dtype(dtype))
