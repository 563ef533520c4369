"""Models of LightGBM, in its own text format: boosters, and the estimators of its scikit-learn interface."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reticent.files import inside, share
from reticent.models import Flavor
from reticent.models.flavor import Config
from reticent_integrations import skops_files
from reticent_integrations.lightgbm import estimator
from reticent_integrations.onnx.convert import as_predicted, check, converted
from reticent_redact import pickle_imports

_BOOSTER = "lightgbm.basic.Booster"
_TEXT = "model.txt"
_ESTIMATOR = "estimator.json"
_SKOPS = "model.skops"
_PICKLE = "model.pkl"

_TREES_END, _PARAMETERS, _PARAMETERS_END = b"end of trees\n", b"parameters:\n", b"end of parameters\n"

# What skops makes of an estimator. A booster in it is a text for LightGBM.
_OBJECTS = {_BOOSTER, *(f"{estimator.MODULE}.{name}" for name in estimator.KINDS)}


def _save(model: Any, directory: Path) -> dict[str, Any]:
    import lightgbm

    if isinstance(model, lightgbm.Booster):
        # As LightGBM and MLflow do it: up to the best iteration, so that it predicts the same everywhere.
        # Into a file at once: in memory, LightGBM makes every longer text twice.
        model.save_model(directory / _TEXT)
        return _flavors(_TEXT, {"model_class": _BOOSTER})
    kind = estimator.kind_of(model)
    about = {"model_class": f"{kind.__module__}.{kind.__qualname__}"}
    try:
        described = estimator.describe(model)
    except (TypeError, ValueError):  # an objective of the user's own, say
        return _pickled(model, directory, about)
    model.booster_.save_model(directory / _TEXT, num_iteration=-1)
    (directory / _ESTIMATOR).write_bytes(described)
    config = {**about, "booster": _TEXT, "estimator": _ESTIMATOR}
    return {"lightgbm": _flavors(_TEXT, config)["lightgbm"]}  # nothing yet that MLflow could load


def _pickled(model: Any, directory: Path, about: dict[str, Any]) -> dict[str, Any]:
    import cloudpickle

    with (directory / _PICKLE).open("wb") as file:
        cloudpickle.dump(model, file)
    return _flavors(_PICKLE, {**about, "serialization_format": "cloudpickle"})


def _flavors(data: str, config: dict[str, Any]) -> dict[str, Any]:
    import lightgbm

    return {
        "lightgbm": {"data": data, "lgb_version": lightgbm.__version__, "code": None, **config},
        "python_function": {"data": data, "loader_module": "mlflow.lightgbm"},
    }


def _finish(saved: Path, finished: Path, flavors: dict[str, Any]) -> dict[str, Any]:
    """MLflow reads estimators from skops files."""
    for file in saved.iterdir():
        share(file, finished / file.name)
    config = flavors["lightgbm"]
    if "estimator" not in config or not skops_files.are_known():
        return flavors
    trusted = skops_files.write(_load(finished, config), finished / _SKOPS)
    for_mlflow = {"serialization_format": "skops", "skops_trusted_types": trusted, "mlflow_only": [_SKOPS]}
    return _flavors(_SKOPS, {**config, **for_mlflow, "data": _SKOPS})


def _booster(path: Path) -> Any:
    import lightgbm

    with path.open("rb") as file:
        lines = {line for line in file if len(line) < 20} & {_TREES_END, _PARAMETERS, _PARAMETERS_END}
    # LightGBM reads on behind the end of a text that was cut off.
    if _TREES_END not in lines or (_PARAMETERS in lines and _PARAMETERS_END not in lines):
        raise ValueError("the text of the model was cut off")
    return lightgbm.Booster(model_file=path)


def _load(directory: Path, config: Config) -> Any:
    data = inside(directory, config["data"])
    if "estimator" in config:
        booster = _booster(inside(directory, config["booster"]))
        return estimator.rebuilt(inside(directory, config["estimator"]), booster)
    stored_as = _stored_as(config)
    if stored_as == "text":
        return _booster(data)
    if stored_as == "skops":
        return skops_files.load(data)
    return pickle.loads(data.read_bytes())  # noqa: S301 - asked for by who trusts it


def _imports(directory: Path, config: Config) -> list[str]:
    stored_as = _stored_as(config)
    if stored_as == "text":
        return []
    data = inside(directory, config["data"])
    if stored_as == "skops":
        return skops_files.imports(data, _OBJECTS)
    with data.open("rb") as file:
        return pickle_imports(file)


def _stored_as(config: Config) -> str:
    if "estimator" in config or config.get("model_class", _BOOSTER) == _BOOSTER:
        return "text"
    return str(config.get("serialization_format", "cloudpickle"))


def _predict(model: Any, data: Any, params: Mapping[str, Any]) -> Any:
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        # Of categories, JSON keeps their names. LightGBM knows the number of each by its name.
        texts = [name for name, kind in data.dtypes.items() if pd.api.types.is_string_dtype(kind)]
        data = data.astype(dict.fromkeys(texts, "category"))
    return model.predict(data, **params)


def _to_onnx(model: Any, example: Any) -> bytes:
    import lightgbm
    from onnxmltools import convert_lightgbm

    def convert(model: Any, inputs: Any) -> Any:
        return convert_lightgbm(model, initial_types=inputs, zipmap=False)

    booster = model if isinstance(model, lightgbm.Booster) else model.booster_
    content = converted(convert, model, booster.num_feature(), "lightgbm")
    classifies = isinstance(model, lightgbm.LGBMClassifier)
    expected = model.predict_proba(example) if classifies else _predict(model, example, {})
    check(content, example, expected)
    return as_predicted(content, example, None if classifies else expected)


def _is_lightgbm(model: object) -> bool:
    bases = ((base.__module__, base.__name__) for base in type(model).__mro__)
    return any(base in {("lightgbm.basic", "Booster"), (estimator.MODULE, "LGBMModel")} for base in bases)


# LightGBM's estimators are scikit-learn's too: theirs is the general flavour.
flavor = Flavor(
    "lightgbm",
    handles=_is_lightgbm,
    save=_save,
    load=_load,
    predict=_predict,
    imports=_imports,
    finish=_finish,
    to_onnx=_to_onnx,
    priority=10,
)
