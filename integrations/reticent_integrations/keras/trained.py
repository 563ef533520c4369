"""What is said of a model: its summary, and the model itself with a signature and an example of what it takes."""

from __future__ import annotations

from typing import Any

from reticent.patching import Capture
from reticent_integrations.keras import data


def log_summary(capture: Capture, model: Any) -> None:
    lines: list[str] = []
    model.summary(print_fn=lambda line, *_, **__: lines.append(str(line)))
    capture.log_text("\n".join(lines), "model_summary.txt")


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
