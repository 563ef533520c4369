"""Models of XGBoost, in its own UBJ format: boosters and the estimators of its scikit-learn interface."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from reticent.files import inside
from reticent.models import Flavor
from reticent.models.flavor import Config
from reticent_integrations.onnx.convert import as_predicted, check, converted


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
    kind = getattr(import_module(module), name, None) if module in ("xgboost.core", "xgboost.sklearn") else None
    if not (isinstance(kind, type) and _is_xgboosts(kind)):
        raise ValueError(f"not a class of XGBoost's models: {config['model_class'][:100]!r}")
    model = kind()
    model.load_model(inside(directory, config["data"]))
    return model


def _predict(model: Any, data: Any, params: Mapping[str, Any]) -> Any:
    import xgboost

    if isinstance(model, xgboost.Booster):
        return model.predict(xgboost.DMatrix(data), **params)
    return model.predict(data, **params)


def _to_onnx(model: Any, example: Any) -> bytes:
    import xgboost
    from onnxmltools import convert_xgboost

    def convert(model: Any, inputs: Any) -> Any:
        return convert_xgboost(model, initial_types=inputs)

    content = converted(convert, _plain(model), _booster(model).num_features(), "xgboost", "xgboost-cpu")
    classifies = isinstance(model, xgboost.XGBClassifier)
    expected = model.predict_proba(example) if classifies else _predict(model, example, {})
    check(content, example, expected)
    return as_predicted(content, example, None if classifies else expected)


def _plain(model: Any) -> Any:
    """A copy of a model with nothing that onnxmltools does not know: the names of features, early stopping, rankers."""
    import xgboost

    booster = _booster(model)
    stopped = booster.attr("best_iteration")
    if stopped is not None and booster is not model:
        booster = booster[: int(stopped) + 1]  # as its estimator predicts
    copy = xgboost.Booster()
    copy.load_model(booster.save_raw("ubj"))
    copy.feature_names = None
    copy.set_attr(best_iteration=None, best_score=None)
    if isinstance(model, xgboost.XGBRanker):
        copy.set_param({"objective": "reg:squarederror"})  # which gives the sum of the leaves too
    if not isinstance(model, xgboost.XGBClassifier):
        return copy
    classifier = xgboost.XGBClassifier()
    classifier.load_model(copy.save_raw("ubj"))
    return classifier


def _booster(model: Any) -> Any:
    import xgboost

    return model if isinstance(model, xgboost.Booster) else model.get_booster()


def _is_xgboost(model: object) -> bool:
    return _is_xgboosts(type(model))


def _is_xgboosts(kind: type) -> bool:
    bases = ((base.__module__, base.__name__) for base in kind.__mro__)
    return any(base in {("xgboost.core", "Booster"), ("xgboost.sklearn", "XGBModel")} for base in bases)


# XGBoost's estimators are scikit-learn's too: theirs is the general flavour.
flavor = Flavor("xgboost", handles=_is_xgboost, save=_save, load=_load, predict=_predict, to_onnx=_to_onnx, priority=10)
