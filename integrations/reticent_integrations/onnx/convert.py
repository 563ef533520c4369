"""Boosted trees in ONNX, by onnxmltools."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from typing import Any

INPUT = "input"

SAME = 1e-4
"""How far apart predictions may be: ONNX has floats where the frameworks have doubles."""


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


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "(under another name)"
