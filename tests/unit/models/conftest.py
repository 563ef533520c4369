"""Two flavours of real frameworks, and a run directory with a redactor."""

from __future__ import annotations

import importlib
import pickle
import sys
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reticent.models import flavor as flavors
from reticent.models import stage
from reticent.models.flavor import Flavor
from reticent.models.publish import publish
from reticent.records import SealedRecord, Staged
from reticent_redact import Redactor, Report

SECRET = "correct-horse-battery-staple"


def is_estimator(model: Any) -> bool:
    base = sys.modules.get("sklearn.base")
    return base is not None and isinstance(model, base.BaseEstimator)


def save_estimator(model: Any, directory: Path) -> dict[str, Any]:
    import sklearn

    data, serialization = pickled(model)
    (directory / "model.pkl").write_bytes(data)
    config = {
        "pickled_model": "model.pkl",
        "sklearn_version": sklearn.__version__,
        "serialization_format": serialization,
        "code": None,
    }
    if not hasattr(model, "predict"):
        return {"sklearn": config}
    function = {"loader_module": "mlflow.sklearn", "model_path": "model.pkl", "predict_fn": "predict"}
    return {"sklearn": config, "python_function": function}


def pickled(model: Any) -> tuple[bytes, str]:
    try:
        data = pickle.dumps(model, protocol=5)
    except (pickle.PicklingError, AttributeError, TypeError):  # a lambda or a local class in it
        import cloudpickle

        return cloudpickle.dumps(model, protocol=5), "cloudpickle"
    if b"__main__" in data:  # by reference to a script, which no other process has
        try:
            import cloudpickle
        except ImportError:
            return data, "pickle"
        return cloudpickle.dumps(model, protocol=5), "cloudpickle"
    return data, "pickle"


def load_estimator(directory: Path, config: dict[str, Any]) -> Any:
    return pickle.loads((directory / config["pickled_model"]).read_bytes())


def is_xgboost(model: Any) -> bool:
    module = sys.modules.get("xgboost")
    return module is not None and isinstance(model, (module.Booster, getattr(module, "XGBModel", module.Booster)))


def save_xgboost(model: Any, directory: Path) -> dict[str, Any]:
    import xgboost

    model.save_model(directory / "model.ubj")
    config = {
        "data": "model.ubj",
        "model_class": f"{type(model).__module__}.{type(model).__qualname__}",
        "model_format": "ubj",
        "xgb_version": xgboost.__version__,
        "code": None,
    }
    return {"xgboost": config, "python_function": {"loader_module": "mlflow.xgboost", "data": "model.ubj"}}


def load_xgboost(directory: Path, config: dict[str, Any]) -> Any:
    import xgboost

    module, _, name = config["model_class"].rpartition(".")
    ours = module.partition(".")[0] == "xgboost"  # a name in a file imports nothing else
    model = getattr(importlib.import_module(module), name)() if ours else xgboost.Booster()
    model.load_model(directory / config["data"])
    return model


SKLEARN = Flavor("sklearn", is_estimator, save_estimator, load_estimator)
XGBOOST = Flavor("xgboost", is_xgboost, save_xgboost, load_xgboost, priority=10)


class RunDirectory:
    """A run's directory, and what happens to a model that is logged to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.report = Report()
        self.redactor = Redactor()
        self.redactor.register(SECRET)

    def staged(self, token: str, path: str = "model") -> Staged:
        return Staged(time=1.0, token=token, path=self.redactor.seal(path, channel="artifact"), kind="model")

    def publish(self, staged: Staged) -> list[SealedRecord]:
        return publish(self.path, staged, self.redactor, self.report)

    def log(self, model: Any, path: str = "model", **options: Any) -> list[SealedRecord]:
        return self.publish(self.staged(stage(self.path, model, **options).token, path))


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The flavours above and no other; the integrations that are installed are kept out."""
    monkeypatch.setattr(flavors, "_flavors", {"sklearn": SKLEARN, "xgboost": XGBOOST})
    monkeypatch.setattr(flavors, "_points", dict)
    monkeypatch.setattr(flavors, "_loaded", set())


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path / "runs" / uuid.uuid4().hex)


@pytest.fixture
def data() -> tuple[Any, Any]:
    import pandas as pd

    rows = np.arange(40)
    return pd.DataFrame({"a": rows, "b": rows / 7}), (rows % 3 == 0).astype(int)
