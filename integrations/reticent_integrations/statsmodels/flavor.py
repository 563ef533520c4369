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


def _save(model: Any, directory: Path) -> dict[str, Any]:
    import statsmodels

    # With the data it was fitted to: without, it could not be summarised or go on in time, and to remove it is to
    # change the user's object.
    model.save(str(directory / _FILE))
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

    if not isinstance(model.model, TimeSeriesModel):
        return model.predict(data, **params)
    import pandas as pd

    span = pd.DataFrame([data]) if isinstance(data, Mapping) else data
    if not isinstance(span, pd.DataFrame) or len(span) != 1 or not {"start", "end"} <= set(span.columns):
        raise ValueError("a model of a time series predicts for a DataFrame of one row with the columns start and end")
    return model.predict(start=span["start"].iloc[0], end=span["end"].iloc[0], **params)


def _is_statsmodels(model: object) -> bool:
    bases = ((base.__module__, base.__name__) for base in type(model).__mro__)
    results = {("statsmodels.base.wrapper", "ResultsWrapper"), ("statsmodels.base.model", "Results")}
    return any(base in results for base in bases)


flavor = Flavor(
    "statsmodels", handles=_is_statsmodels, save=_save, load=_load, predict=_predict, imports=_imports, priority=10
)
