"""Models of CatBoost, in its own binary format."""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reticent.files import inside
from reticent.models import Flavor
from reticent.models.flavor import Config
from reticent_integrations.catboost.builds import KEY

_KINDS = ("CatBoost", "CatBoostClassifier", "CatBoostRanker", "CatBoostRegressor")
_FILE = "model.cb"

_FORMATS = ("cbm", "json")
"""What CatBoost saves that it also loads, and predicts from alike."""


def _save(model: Any, directory: Path) -> dict[str, Any]:
    import catboost

    path = directory / _FILE
    model.save_model(str(path))
    for name, text in model.get_metadata().items():
        if name.endswith(KEY) and text:  # "initModel:" is before it for what a training has begun with
            _blank(path, text.encode())
    # A subclass of the user's is loaded as the class that it was made from: loading runs no code but CatBoost's.
    kind = next(base for base in type(model).__mro__ if _is_catboosts(base))
    return {
        "catboost": {
            "data": _FILE,
            "model_type": kind.__name__,
            "save_format": "cbm",
            "catboost_version": catboost.__version__,
            "code": None,
        },
        "python_function": {"data": _FILE, "loader_module": "mlflow.catboost"},
    }


def _blank(path: Path, text: bytes) -> None:
    """Put blanks for a text in a file."""
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as content:
        start = content.find(text)
        if start >= 0:
            content[start : start + len(text)] = b" " * len(text)


def _load(directory: Path, config: Config) -> Any:
    import catboost

    kind, stored_as = config.get("model_type", "CatBoost"), config.get("save_format", "cbm")
    if kind not in _KINDS:
        raise ValueError(f"not a class of CatBoost's models: {str(kind)[:100]!r}")
    if stored_as not in _FORMATS:
        raise ValueError(f"CatBoost loads models from {' and '.join(_FORMATS)}, not from {str(stored_as)[:100]!r}")
    model = getattr(catboost, kind)()
    return model.load_model(str(inside(directory, config.get("data", _FILE))), stored_as)


def _predict(model: Any, data: Any, params: Mapping[str, Any]) -> Any:
    return model.predict(data, **params)


def _to_onnx(model: Any, example: Any) -> bytes:
    import catboost
    import onnx

    from reticent_integrations.onnx.convert import first_output
    from reticent_integrations.onnx.inputs import suited

    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "model.onnx"
        model.save_model(str(path), format="onnx")
        made = onnx.load(path)
    made.producer_version = catboost.__version__  # it is the text of the build too
    for entry in made.metadata_props:
        if entry.key.endswith(KEY):
            entry.value = ""
    first_output(made)
    made.graph.output[0].type.tensor_type.ClearField("shape")  # of which CatBoost says what is not so
    return bytes(suited(made, example).SerializeToString())


def _is_catboost(model: object) -> bool:
    return any(map(_is_catboosts, type(model).__mro__))


def _is_catboosts(kind: type) -> bool:
    return kind.__module__ == "catboost.core" and kind.__name__ in _KINDS


# CatBoost's estimators are scikit-learn's too: theirs is the general flavour.
flavor = Flavor(
    "catboost", handles=_is_catboost, save=_save, load=_load, predict=_predict, to_onnx=_to_onnx, priority=10
)
