"""Any callable, class or object with a method `predict` as a model: pickled by value, and loaded by MLflow without us.

Also loads what MLflow has made of a user's `PythonModel`, which needs mlflow.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from reticent.files import inside
from reticent.models.flavor import PYTHON_FUNCTION, Config, Flavor
from reticent_redact import pickle_imports

_FILE = "function.pkl"
_CODE = "code"
_LOADER = "reticent_function"

_LOADER_TEXT = '''"""Loads the function beside it for MLflow, which calls `predict`."""

import inspect

import cloudpickle


class _Function:
    def __init__(self, call):
        self.call = call
        self.with_params = "params" in inspect.signature(call).parameters

    def predict(self, data, params=None):
        return self.call(data, params=params) if self.with_params else self.call(data)


def _load_pyfunc(path):
    with open(path, "rb") as file:
        model = cloudpickle.load(file)
    model = model() if isinstance(model, type) else model
    return _Function(model.predict if hasattr(model, "predict") else model)
'''


def _handles(model: Any) -> bool:
    return callable(model) or callable(getattr(model, "predict", None))


def _save(model: Any, directory: Path) -> dict[str, Any]:
    import cloudpickle

    with (directory / _FILE).open("wb") as file:
        cloudpickle.dump(model, file)
    (directory / _CODE).mkdir()
    (directory / _CODE / f"{_LOADER}.py").write_text(_LOADER_TEXT, "utf-8")
    return {PYTHON_FUNCTION: {"loader_module": _LOADER, "code": _CODE, "data": _FILE}}


def _imports(directory: Path, config: Config) -> list[str]:
    found = [f"code in {config['code']}/"] if config.get("code") else []
    if not _is_ours(config):
        found.append(str(config["loader_module"]))
    for key in ("data", "python_model"):
        if str(config.get(key, "")).endswith(".pkl"):
            with inside(directory, config[key]).open("rb") as file:
                found += pickle_imports(file)
    return found


def _load(directory: Path, config: Config) -> Any:
    code = inside(directory, config["code"]) if config.get("code") else None
    if _is_ours(config):
        import cloudpickle

        with inside(directory, config["data"]).open("rb") as file:
            return cloudpickle.load(file)
    if code is not None:
        sys.path.insert(0, str(code))
    loader = import_module(config["loader_module"])
    return loader._load_pyfunc(str(inside(directory, config["data"]) if config.get("data") else directory))


def _is_ours(config: Config) -> bool:
    return config.get("loader_module") == _LOADER


def _predict(model: Any, data: Any, params: Mapping[str, Any]) -> Any:
    made = model() if isinstance(model, type) else model
    call = made.predict if hasattr(made, "predict") else made
    return call(data, params=params) if "params" in inspect.signature(call).parameters else call(data)


flavor = Flavor(
    PYTHON_FUNCTION, handles=_handles, save=_save, load=_load, predict=_predict, imports=_imports, priority=-10
)
