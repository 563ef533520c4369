"""How scikit-learn's models are saved and loaded: pickled, by value where a class or function is nowhere to import from."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from reticent.models import Flavor
from reticent_integrations.sklearn.params import register_secrets

_FILE = "model.pkl"


def _handles(model: Any) -> bool:
    base = sys.modules.get("sklearn.base")
    return base is not None and isinstance(model, base.BaseEstimator)


def _save(model: Any, directory: Path) -> dict[str, Any]:
    import sklearn

    register_secrets(model)
    config = {
        "pickled_model": _FILE,
        "sklearn_version": sklearn.__version__,
        "serialization_format": _pickle(model, directory / _FILE),
        "code": None,
    }
    if not hasattr(model, "predict"):
        return {"sklearn": config}
    function = {"loader_module": "mlflow.sklearn", "model_path": _FILE, "predict_fn": "predict"}
    return {"sklearn": config, "python_function": function}


def _load(directory: Path, config: Mapping[str, Any]) -> Any:
    return pickle.loads((directory / config["pickled_model"]).read_bytes())  # noqa: S301 - asked for by who trusts it


def _pickle(model: Any, path: Path) -> str:
    """Write the model; what it was pickled by."""
    try:
        with path.open("wb") as file:
            watched = _Watched(file)
            pickle.dump(model, watched, protocol=5)
        if not watched.names_main:
            return "pickle"
    except (pickle.PicklingError, AttributeError, TypeError):
        pass  # a lambda or a local class in it
    import cloudpickle

    with path.open("wb") as file:
        cloudpickle.dump(model, file, protocol=5)
    return "cloudpickle"


class _Watched:
    """A file that notes whether a pickle refers to `__main__`: a script, which no other process can import."""

    def __init__(self, file: BinaryIO) -> None:
        self.write_to = file.write
        self.names_main = False

    def write(self, data: Any) -> int:
        # Names are in short pieces; what is long is an array's data.
        self.names_main = self.names_main or (len(data) < 1 << 20 and b"__main__" in bytes(data))
        return self.write_to(data)


flavor = Flavor("sklearn", handles=_handles, save=_save, load=_load)
