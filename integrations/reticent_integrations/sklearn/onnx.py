"""scikit-learn's models in ONNX, by skl2onnx: with one input for all numbers, or with one for each column by its name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reticent.guard import tried
from reticent_integrations.onnx import inputs
from reticent_integrations.onnx.convert import INPUT, check_predictions, columns_apart, first_output

_OPSET = {"": 18, "ai.onnx.ml": 3}
"""One for every model: left to itself, skl2onnx gives each the oldest that will do, or one that it has no converters for."""


def to_onnx(model: Any, example: Any) -> bytes:
    """The model with the types of inputs with which it gives for the example what it should."""
    import skl2onnx

    expected = model.predict(example) if hasattr(model, "predict") else model.transform(example)
    failure: Exception | None = None
    for types in _types(example):
        with tried() as attempt:
            made = skl2onnx.to_onnx(model, initial_types=types, target_opset=_OPSET)
            first_output(made)
            columns_apart(made, example, expected)
            made = inputs.suited(made, example)
            check_predictions(made, example, expected)
            return bytes(made.SerializeToString())
        failure = failure or attempt.error
    raise failure or TypeError(f"skl2onnx takes tables and arrays, not {type(example).__name__}")


def _types(example: Any) -> Iterator[list[tuple[str, Any]]]:
    """Types of inputs to try. One array first: only what selects columns by their names needs an input for each."""
    import numpy as np
    from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType

    if not hasattr(example, "columns"):
        array = np.asarray(example)
        kind = StringTensorType if array.dtype.kind in "OUS" else FloatTensorType
        yield [(INPUT, kind([None, *array.shape[1:]]))]
        return
    kinds = [getattr(dtype, "kind", "O") for dtype in example.dtypes]
    if set(kinds) <= set("biuf"):
        yield [(INPUT, FloatTensorType([None, len(kinds)]))]
    elif not set(kinds) & set("biuf"):
        yield [(INPUT, StringTensorType([None, len(kinds)]))]
    for whole in (Int64TensorType, FloatTensorType):  # what counts: categories, or numbers among others
        types = {"b": whole, "i": whole, "u": whole, "f": FloatTensorType}
        yield [
            (str(name), types.get(kind, StringTensorType)([None, 1]))
            for name, kind in zip(example.columns, kinds, strict=True)
        ]
