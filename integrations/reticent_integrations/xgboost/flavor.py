"""Models of XGBoost, in its own UBJ format: boosters and the estimators of its scikit-learn interface."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from reticent.files import inside
from reticent.models import Flavor
from reticent.models.flavor import Config


def _save(model: Any, directory: Path) -> dict[str, Any]:
    import xgboost

    model.save_model(directory / "model.ubj")
    # A subclass of the user's is loaded as the XGBoost class that it was made from: loading runs no code but XGBoost's.
    kind = next(base for base in type(model).__mro__ if base.__module__.startswith("xgboost."))
    return {
        "xgboost": {
            "data": "model.ubj",
            "model_class": f"{kind.__module__}.{kind.__qualname__}",
            "model_format": "ubj",
            "xgb_version": xgboost.__version__,
            "code": None,
        },
        "python_function": {"data": "model.ubj", "loader_module": "mlflow.xgboost"},
    }


def _load(directory: Path, config: Config) -> Any:
    module, _, name = config.get("model_class", "xgboost.core.Booster").rpartition(".")
    if module.partition(".")[0] != "xgboost":
        raise ValueError(f"not a class of XGBoost: {config['model_class']}")
    model = getattr(import_module(module), name)()
    model.load_model(inside(directory, config["data"]))
    return model


def _predict(model: Any, data: Any, params: Mapping[str, Any]) -> Any:
    import xgboost

    if isinstance(model, xgboost.Booster):
        return model.predict(xgboost.DMatrix(data), **params)
    return model.predict(data, **params)


def _is_xgboost(model: object) -> bool:
    bases = ((base.__module__, base.__name__) for base in type(model).__mro__)
    return any(base in {("xgboost.core", "Booster"), ("xgboost.sklearn", "XGBModel")} for base in bases)


# XGBoost's estimators are scikit-learn's too: theirs is the general flavour.
flavor = Flavor("xgboost", handles=_is_xgboost, save=_save, load=_load, predict=_predict, priority=10)
