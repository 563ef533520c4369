"""Loads the function beside it, and asks it for predictions.

A copy of this file lies with each model that is a function: MLflow loads the model by it, also where reticent is not
installed. So it imports nothing of reticent.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Context:
    """What a `PythonModel` of MLflow is given. It has no artifacts: what a model needs is in its own attributes."""

    artifacts: dict[str, str] = field(default_factory=dict)
    model_config: dict[str, Any] = field(default_factory=dict)


def load(path: str) -> Any:
    """The model in a file, ready to be asked."""
    import cloudpickle

    with open(path, "rb") as file:
        model = made(cloudpickle.load(file))
    if hasattr(model, "load_context"):
        model.load_context(Context())
    return model


def made(model: Any) -> Any:
    return model() if isinstance(model, type) else model


def predict(model: Any, data: Any, params: Any) -> Any:
    call = model.predict if hasattr(model, "predict") else model
    parameters = _parameters(call)
    needed = [
        name
        for name, parameter in parameters.items()
        if name != "params"
        and parameter.kind <= parameter.POSITIONAL_OR_KEYWORD
        and parameter.default is parameter.empty
    ]
    context = [Context()] if len(needed) == 2 and (needed[0] == "context" or hasattr(model, "load_context")) else []
    taken = list(parameters.values())[len(context) :]
    suited = _suited(data, str(taken[0].annotation) if taken else "")
    return call(*context, suited, params=params) if "params" in parameters else call(*context, suited)


def _parameters(call: Any) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(call).parameters
    except ValueError:  # it is written in C and does not say what it takes
        return {}


def _suited(data: Any, hint: str) -> Any:
    """A list was logged as one column without a name, of which a signature makes a DataFrame: it is a list again."""
    if type(data).__name__ != "DataFrame" or data.shape[1] != 1 or data.columns[0] != 0 or "DataFrame" in hint:
        return data
    return data[0] if "Series" in hint else data[0].tolist()


class _Function:
    def __init__(self, model: Any) -> None:
        self.model = model

    def predict(self, data: Any, params: Any = None) -> Any:
        return predict(self.model, data, params)


def _load_pyfunc(path: str) -> _Function:
    return _Function(load(path))
