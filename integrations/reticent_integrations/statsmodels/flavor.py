"""Results of statsmodels. It knows no format for them but pickle, so they are loaded for those only who trust them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reticent.files import inside
from reticent.models import Flavor
from reticent.models.flavor import Config
from reticent_redact import pickle_imports

_FILE = "model.statsmodels"

_STEPS_AHEAD = {"ThetaModelResults": "forecast", "STLForecastResults": "forecast", "VECMResults": "predict"}
"""Results that only say what comes next, with the method that does."""

_RESULTS = {
    ("statsmodels.base.wrapper", "ResultsWrapper"),
    ("statsmodels.base.model", "Results"),
    ("statsmodels.multivariate.factor", "FactorResults"),
    ("statsmodels.regression.rolling", "RollingRegressionResults"),
    ("statsmodels.tsa.forecasting.stl", "STLForecastResults"),
    ("statsmodels.tsa.forecasting.theta", "ThetaModelResults"),
    ("statsmodels.tsa.vector_ar.local_proj", "LocalProjectionsResults"),
    ("statsmodels.tsa.vector_ar.vecm", "VECMResults"),
}


def _save(model: Any, directory: Path) -> dict[str, Any]:
    import statsmodels

    # With the data it was fitted to: without, it could not be summarised or go on in time, and to remove it is to
    # change the user's object.
    if hasattr(model, "save"):
        model.save(str(directory / _FILE))
    else:
        from statsmodels.iolib.smpickle import save_pickle

        save_pickle(model, str(directory / _FILE))
    return {
        "statsmodels": {
            "data": _FILE,
            "statsmodels_version": statsmodels.__version__,
            "serialization_format": "pickle",
            "code": None,
        },
        "python_function": {"data": _FILE, "loader_module": "mlflow.statsmodels"},
    }


def _load(directory: Path, config: Config) -> Any:
    from statsmodels.iolib.smpickle import load_pickle

    return load_pickle(str(_path(directory, config)))


def _imports(directory: Path, config: Config) -> list[str]:
    with _path(directory, config).open("rb") as file:
        return pickle_imports(file)


def _path(directory: Path, config: Config) -> Path:
    return inside(directory, config.get("data", _FILE))


def _predict(model: Any, data: Any, params: Mapping[str, Any]) -> Any:
    from statsmodels.tsa.base.tsa_model import TimeSeriesModel

    steps_ahead = _STEPS_AHEAD.get(type(model).__name__)
    if steps_ahead is not None:
        (steps,) = _row(data, "steps")
        return getattr(model, steps_ahead)(int(steps), **params)
    if not isinstance(model.model, TimeSeriesModel):
        return model.predict(data, **params)
    start, end = _row(data, "start", "end")
    return model.predict(start=start, end=end, **params)


def _row(data: Any, *columns: str) -> list[Any]:
    """What a time series is asked for."""
    import pandas as pd

    frame = pd.DataFrame([data]) if isinstance(data, Mapping) else data
    if not isinstance(frame, pd.DataFrame) or len(frame) != 1 or not set(columns) <= set(frame.columns):
        names = " and ".join(columns)
        told = f"the columns {names}" if len(columns) > 1 else f"the column {names}"
        raise ValueError(f"a model of a time series predicts for a DataFrame of one row with {told}")
    return [frame[column].iloc[0] for column in columns]


def _is_statsmodels(model: object) -> bool:
    return any((base.__module__, base.__name__) in _RESULTS for base in type(model).__mro__)


flavor = Flavor(
    "statsmodels", handles=_is_statsmodels, save=_save, load=_load, predict=_predict, imports=_imports, priority=10
)
