"""What is said of a model: its summary, and the model itself with a signature and an example of what it takes."""

from __future__ import annotations

from typing import Any

from reticent.patching import Capture
from reticent_integrations.keras import data

_CUT = "\u2026"
"""What stands in a summary of Keras's for the rest of what is too long for its column."""


def log_summary(capture: Capture, model: Any) -> None:
    lines: list[str] = []
    model.summary(print_fn=lambda line, *_, **__: lines.append(str(line)))
    text = "\n".join(lines)
    if _CUT in text or f'Model: "{model.name}"' not in text:  # half of a secret in a name is not known as one
        text = _uncut_summary(model)
    capture.log_text(text, "model_summary.txt")


def _uncut_summary(model: Any) -> str:
    """A line for each layer, however long its name is: Keras's table has the width of the terminal."""
    rows = [(str(layer.name), type(layer).__name__, _count(layer)) for layer in model.layers]
    wide, wider = (max((len(row[column]) for row in rows), default=0) for column in (0, 1))
    lines = [f"{name:<{wide}}  {kind:<{wider}}  {count:>14}" for name, kind, count in rows]
    return "\n".join([f'Model: "{model.name}"', "", *lines, "", f"Total params: {_count(model)}", ""])


def _count(layer: Any) -> str:
    return f"{layer.count_params():,}" if layer.built else "(unbuilt)"


def log(capture: Capture, model: Any, x: Any) -> None:
    """Log a model that was trained on `x`."""
    from reticent_integrations.keras.flavor import flavor

    capture.log_model(model, flavor=flavor, signature_outputs=_outputs(model), **_inputs(model, x))


def _inputs(model: Any, x: Any) -> dict[str, Any]:
    """The first rows as an example; of data that is not to be read, its form."""
    example = data.first_rows(x)
    if example is not None:
        return {"input_example": example}
    form = _form(getattr(model, "inputs", None))
    return {} if form is None else {"signature_inputs": form}


def _outputs(model: Any) -> Any:
    return _form(getattr(model, "outputs", None))


def _form(tensors: Any) -> Any:
    """No rows, of the form that a model of one input or output says; None if that is not known."""
    import numpy as np

    if not tensors or len(tensors) != 1:
        return None
    (tensor,) = tensors
    extents = tensor.shape[1:]
    if None in extents:
        return None
    return np.empty((0, *extents), tensor.dtype)
