"""How scikit-learn's models are saved and loaded: pickled while training waits, then rewritten in skops' format.

What skops cannot hold, or what is nowhere to import from, stays a pickle: a lambda, a class of a script.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from reticent.errors import NothingPredictsError
from reticent.files import inside, share
from reticent.guard import tried
from reticent.models import Flavor
from reticent.models.flavor import Config
from reticent_integrations import skops_files
from reticent_integrations.catboost import builds
from reticent_integrations.sklearn.params import register_secrets
from reticent_redact import pickle_imports

_PICKLE = "model.pkl"
_SKOPS = "model.skops"
_ASKED = ("predict", "transform", "score_samples")
"""The methods that a model may be asked by for new data, the first one that it has."""


def _handles(model: Any) -> bool:
    base = sys.modules.get("sklearn.base")
    return base is not None and isinstance(model, base.BaseEstimator)


def _save(model: Any, directory: Path) -> dict[str, Any]:
    import sklearn

    register_secrets(model)
    return _flavors(
        {"sklearn_version": sklearn.__version__, "code": None}, _PICKLE, _pickle(model, directory / _PICKLE), model
    )


def finish(saved: Path, finished: Path, flavors: dict[str, Any]) -> dict[str, Any]:
    config, content = flavors["sklearn"], (saved / _PICKLE).read_bytes()
    blanked = builds.blanked(content)
    if config["serialization_format"] == "pickle" and skops_files.are_known():
        model = pickle.loads(blanked)  # noqa: S301 - pickled by this process's parent just now
        with tried() as attempt:
            trusted = skops_files.write(model, finished / _SKOPS)
        if attempt.error is None:
            return _flavors({**config, "skops_trusted_types": trusted}, _SKOPS, "skops", model)
        (finished / _SKOPS).unlink(missing_ok=True)  # errors of many kinds say that skops cannot hold this model
    if blanked is content:
        share(saved / _PICKLE, finished / _PICKLE)
    else:
        (finished / _PICKLE).write_bytes(blanked)
    return flavors


def _flavors(config: dict[str, Any], file: str, serialization: str, model: Any) -> dict[str, Any]:
    own = {"sklearn": {**config, "pickled_model": file, "serialization_format": serialization}}
    if not hasattr(model, "predict"):
        return own
    return {**own, "python_function": {"loader_module": "mlflow.sklearn", "model_path": file, "predict_fn": "predict"}}


def _imports(directory: Path, config: Config) -> list[str]:
    path = inside(directory, config["pickled_model"])
    if _is_pickle(config):
        with path.open("rb") as file:
            return pickle_imports(file)
    return skops_files.imports(path)


def _load(directory: Path, config: Config) -> Any:
    path = inside(directory, config["pickled_model"])
    if _is_pickle(config):
        with path.open("rb") as file:
            return pickle.load(file)  # noqa: S301 - asked for by who trusts it
    return skops_files.load(path)


def _is_pickle(config: Config) -> bool:
    return bool(config.get("serialization_format", "pickle") != "skops")


def _predict(model: Any, data: Any, params: Mapping[str, Any]) -> Any:
    method = next((name for name in _ASKED if hasattr(model, name)), None)
    if method is None:
        raise NothingPredictsError(f"a {type(model).__name__} has no method that predicts: none of {', '.join(_ASKED)}")
    return getattr(model, method)(_texts(data) if _takes_texts(model) else data, **params)


def _takes_texts(model: Any) -> bool:
    """Whether a model begins by taking texts apart, whose rows are texts and no rows of a table."""
    while True:
        inner = getattr(model, "best_estimator_", None) or (getattr(model, "steps", None) or [(None, None)])[0][1]
        if inner is None:
            return hasattr(model, "build_analyzer")
        model = inner


def _texts(data: Any) -> Any:
    """The only column of a DataFrame, which a signature makes of a list or a Series of texts."""
    return data.iloc[:, 0] if getattr(data, "ndim", 1) == 2 and hasattr(data, "iloc") and data.shape[1] == 1 else data


def _to_onnx(model: Any, example: Any) -> bytes:
    from reticent_integrations.sklearn.onnx import to_onnx

    return to_onnx(model, example)


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


flavor = Flavor(
    "sklearn",
    handles=_handles,
    save=_save,
    load=_load,
    predict=_predict,
    imports=_imports,
    finish=finish,
    to_onnx=_to_onnx,
)
