"""The flavour of CatBoost keeps the contract."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import catboost
import numpy as np
import onnxruntime
import pandas as pd
import pytest
import yaml
from tests.contract.flavors import FlavorMatrix

from reticent.errors import ReticentError
from reticent.models import load_model
from reticent.testing import ModelCase
from reticent_integrations.catboost.flavor import flavor

ROWS = np.random.default_rng(0).normal(size=(60, 4))
FRAME = pd.DataFrame(ROWS, columns=list("abcd"))
CLASSES = (ROWS.sum(axis=1) > 0).astype(int)
QUIET: dict[str, Any] = {"iterations": 3, "verbose": False, "allow_writing_files": False, "thread_count": 1}


class Mine(catboost.CatBoostRegressor):
    """A user's own."""


class TestCatBoostFlavor(FlavorMatrix):
    flavor = flavor
    module = "catboost"
    kinds = ("model", "classifier", "labels", "categories", "regressor", "ranker", "subclass")

    def case(self, kind: str) -> ModelCase:
        example: Any = FRAME.head()
        if kind == "model":
            model: Any = catboost.CatBoost({**QUIET, "loss_function": "RMSE"}).fit(FRAME, CLASSES)
        elif kind == "classifier":
            model = catboost.CatBoostClassifier(**QUIET).fit(FRAME, CLASSES)
        elif kind == "labels":
            labels = np.array(["no", "maybe", "yes"])[CLASSES + (ROWS[:, 0] > 0)]
            model, example = catboost.CatBoostClassifier(**QUIET).fit(ROWS, labels), ROWS[:5]
        elif kind == "categories":
            frame = FRAME.assign(a=np.where(ROWS[:, 0] > 0, "up", "down"))
            model, example = catboost.CatBoostRegressor(**QUIET, cat_features=["a"]).fit(frame, CLASSES), frame.head()
        elif kind == "ranker":
            model = catboost.CatBoostRanker(**QUIET).fit(FRAME, CLASSES, group_id=np.arange(60) // 10)
        else:
            made = Mine if kind == "subclass" else catboost.CatBoostRegressor
            model = made(**QUIET).fit(FRAME, ROWS[:, 0])
        return ModelCase(model, example)

    def plant(self, model: Any, secret: str) -> bool:
        model.get_metadata()["note"] = secret
        return True

    def change(self, model: Any) -> bool:
        scale, bias = model.get_scale_and_bias()
        model.set_scale_and_bias(-100 * scale, bias)
        return True

    def mlflow_saves(self, model: Any, kind: str, path: str) -> None:
        if kind == "subclass":  # MLflow itself cannot load what it makes of one
            model = catboost.CatBoostRegressor().load_model(blob=model._serialize_model())
        super().mlflow_saves(model, kind, path)


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"model_type": "os.system"}, "not a class of CatBoost"),
        ({"model_type": "Pool"}, "not a class of CatBoost"),
        ({"save_format": "python"}, "loads models from cbm and json"),
    ],
)
def test_a_strange_config_is_refused(tmp_path: Path, changed: dict[str, str], error: str) -> None:
    contract = TestCatBoostFlavor()
    directory = contract.publish(tmp_path / "runs" / "a", contract.case("classifier").model).directory
    content = yaml.safe_load((directory / "MLmodel").read_text())
    content["flavors"]["catboost"].update(changed)
    (directory / "MLmodel").write_text(yaml.safe_dump(content))
    with pytest.raises(ReticentError, match=error):
        load_model(directory)


@pytest.mark.parametrize("kind", ["model", "regressor", "classifier", "labels"])
def test_it_is_converted_to_onnx(kind: str) -> None:
    case = TestCatBoostFlavor().case(kind)
    assert flavor.to_onnx is not None
    session = onnxruntime.InferenceSession(flavor.to_onnx(case.model, case.example))
    given = {session.get_inputs()[0].name: np.asarray(case.example, dtype=np.float32)}
    outputs = session.run(None, given)
    assert len(outputs) == 1
    if isinstance(case.model, catboost.CatBoostClassifier):
        assert list(outputs[0]) == list(case.model.predict(case.example).ravel())
    else:
        assert np.allclose(outputs[0].ravel(), case.model.predict(case.example), atol=1e-4)


def test_who_built_catboost_is_left_out_of_what_is_saved_alone(tmp_path: Path) -> None:
    first = catboost.CatBoostClassifier(**QUIET).fit(ROWS, ROWS[:, 0] > 0)
    model = catboost.CatBoostClassifier(**QUIET).fit(ROWS[:50], ROWS[:50, 1] > 0, init_model=first)  # with its build
    before = model._serialize_model()
    flavor.save(model, tmp_path)
    assert model._serialize_model() == before
    assert b"Git info" in before
    assert b"Git info" not in (tmp_path / "model.cb").read_bytes()
    about = catboost.CatBoost().load_model(str(tmp_path / "model.cb")).get_metadata()
    assert about["catboost_version_info"].strip() == about["initModel:catboost_version_info"].strip() == ""
    assert set(about.keys()) == set(model.get_metadata().keys())
