"""Modules of TensorFlow, and what was loaded from a SavedModel, as SavedModel."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reticent.files import inside
from reticent.models import Flavor
from reticent.models.flavor import Config
from reticent_integrations.keras import judged
from reticent_integrations.keras.flavor import imports as keras_imports
from reticent_integrations.keras.flavor import load as load_keras
from reticent_integrations.keras.flavor import predict as predict_keras
from reticent_integrations.tensorflow import saved_model
from reticent_integrations.tensorflow.graph import unsafe_operations

_DIRECTORY = "tf2model"


def _save(model: Any, directory: Path) -> dict[str, Any]:
    import tensorflow

    # On the training thread: what becomes the graph are functions of this process.
    # One that was loaded has signatures, which are not saved with it by themselves.
    signatures = dict(getattr(model, "signatures", None) or {})
    tensorflow.saved_model.save(model, str(directory / _DIRECTORY), signatures or None)
    return {
        "tensorflow": {"saved_model_dir": _DIRECTORY, "model_type": "tf2-module", "code": None},
        "python_function": {"loader_module": "mlflow.tensorflow"},
    }


def _imports(directory: Path, config: Config) -> list[str]:
    if "saved_model_dir" not in config:  # `mlflow.tensorflow` saves models of Keras under this name
        return keras_imports(directory, config)
    unsafe = unsafe_operations(inside(directory, config["saved_model_dir"]))
    judged.told(directory, unsafe)
    return unsafe


def _load(directory: Path, config: Config) -> Any:
    if "saved_model_dir" not in config:
        return load_keras(directory, config)
    saved = inside(directory, config["saved_model_dir"])
    return saved_model.load(saved, config.get("meta_graph_tags"), lambda unsafe: judged.check(directory, unsafe))


def predict(model: Any, data: Any, params: Mapping[str, Any]) -> Any:
    if hasattr(model, "predict"):
        return predict_keras(model, data, params)
    import numpy as np
    import tensorflow

    serving = (getattr(model, "signatures", None) or {}).get("serving_default")
    if serving is None:
        call = model if callable(model) else model.serve
        given = _named(data) if isinstance(data, Mapping) else tensorflow.constant(_matrix(data))
        return tensorflow.nest.map_structure(np.asarray, call(given, **params))
    specs = serving.structured_input_signature[1]
    outputs = serving(**{name: tensorflow.cast(one, specs[name].dtype) for name, one in _by_name(data, specs).items()})
    arrays = {name: output.numpy() for name, output in outputs.items()}
    return next(iter(arrays.values())) if len(arrays) == 1 else arrays


def _by_name(data: Any, specs: Mapping[str, Any]) -> dict[str, Any]:
    """Data as the inputs of a signature: by their names, or all of it as the only one."""
    if hasattr(data, "columns") and set(specs) == set(data.columns):
        return {name: _column(data[name]) for name in specs}
    if isinstance(data, Mapping):
        return _named(data)
    if len(specs) > 1:
        raise ValueError(
            f"the model has the inputs {', '.join(sorted(specs))}: give a dict of arrays, or these columns"
        )
    return {next(iter(specs)): _matrix(data)}


def _named(data: Mapping[str, Any]) -> dict[str, Any]:
    return {str(name): _matrix(value) for name, value in data.items()}


def _matrix(data: Any) -> Any:
    import numpy as np

    return data.to_numpy() if hasattr(data, "columns") else np.asarray(data)


def _column(column: Any) -> Any:
    import numpy as np

    return np.asarray(column.tolist())


def _handles(model: object) -> bool:
    return any(
        (base.__module__, base.__name__) == ("tensorflow.python.module.module", "Module")
        or (base.__module__ == "tensorflow.python.saved_model.load" and base.__name__ == "_UserObject")
        for base in type(model).__mro__
    )


flavor = Flavor("tensorflow", handles=_handles, save=_save, load=_load, predict=predict, imports=_imports, priority=10)
