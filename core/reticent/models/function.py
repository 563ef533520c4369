"""Any callable, class or object with a method `predict` as a model: pickled by value, and loaded by MLflow without us.

Also loads what MLflow has made of a user's `PythonModel`, which needs mlflow.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from reticent.files import inside
from reticent.models import code, function_loader
from reticent.models.flavor import PYTHON_FUNCTION, Config, Flavor
from reticent_redact import pickle_imports

_FILE = "function.pkl"
_LOADER = "reticent_function"


def _handles(model: Any) -> bool:
    return callable(model) or callable(getattr(model, "predict", None))


def _save(model: Any, directory: Path) -> dict[str, Any]:
    import cloudpickle

    if isinstance(model, type):
        _check_constructor(model)
    with (directory / _FILE).open("wb") as file:
        cloudpickle.dump(model, file)
    (directory / code.DIRECTORY).mkdir()
    (directory / code.DIRECTORY / f"{_LOADER}.py").write_text(inspect.getsource(function_loader), "utf-8")
    return {PYTHON_FUNCTION: {"loader_module": _LOADER, code.KEY: code.DIRECTORY, "data": _FILE}}


def _check_constructor(kind: type) -> None:
    try:
        inspect.signature(kind).bind()
    except TypeError as error:
        raise TypeError(
            f"the class {kind.__module__}.{kind.__qualname__} cannot be a model, as it is not made without arguments "
            f"({error}); log an instance of it"
        ) from None
    except ValueError:
        return  # it is written in C and does not say what it takes


def _imports(directory: Path, config: Config) -> list[str]:
    """Never empty: all that is loaded here runs code."""
    if _is_ours(config):
        with inside(directory, config["data"]).open("rb") as file:
            return pickle_imports(file) or [f"what the pickle {config['data']} makes"]
    found = [str(config["loader_module"])]
    if config.get("python_model"):
        with inside(directory, config["python_model"]).open("rb") as file:
            found += pickle_imports(file)
    return found


def _load(directory: Path, config: Config) -> Any:
    if _is_ours(config):
        return function_loader.load(str(inside(directory, config["data"])))
    loader = import_module(config["loader_module"])
    return loader._load_pyfunc(str(inside(directory, config["data"]) if config.get("data") else directory))


def _is_ours(config: Config) -> bool:
    return config.get("loader_module") == _LOADER


def _predict(model: Any, data: Any, params: Mapping[str, Any]) -> Any:
    if type(model).__module__.startswith("mlflow."):  # it suits the data to the user's model itself
        return model.predict(data, params=params)
    return function_loader.predict(function_loader.made(model), data, params)


flavor = Flavor(
    PYTHON_FUNCTION, handles=_handles, save=_save, load=_load, predict=_predict, imports=_imports, priority=-10
)
