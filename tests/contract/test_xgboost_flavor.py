"""The flavour of XGBoost keeps the contract."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import xgboost
import yaml
from tests.contract.flavors import FlavorMatrix

from reticent.errors import ReticentError
from reticent.models import load_model
from reticent.testing import ModelCase
from reticent_integrations.xgboost.flavor import flavor

ROWS = np.random.default_rng(0).normal(size=(60, 4))
FRAME = pd.DataFrame(ROWS, columns=list("abcd"))
CLASSES = (ROWS.sum(axis=1) > 0).astype(int)


class TestXGBoostFlavor(FlavorMatrix):
    flavor = flavor
    module = "xgboost"
    kinds = ("booster", "classifier", "regressor", "ranker", "random forest")

    def case(self, kind: str) -> ModelCase:
        if kind == "booster":
            model: Any = xgboost.train({"max_depth": 2}, xgboost.DMatrix(FRAME, CLASSES), 3)
        elif kind == "ranker":
            model = xgboost.XGBRanker(n_estimators=3).fit(FRAME, CLASSES, qid=np.arange(60) // 10)
        else:
            kinds = {
                "classifier": xgboost.XGBClassifier,
                "regressor": xgboost.XGBRegressor,
                "random forest": xgboost.XGBRFRegressor,
            }
            model = kinds[kind](n_estimators=3).fit(FRAME, CLASSES)
        return ModelCase(model, FRAME.head())

    def plant(self, model: Any, secret: str) -> bool:
        booster = model if isinstance(model, xgboost.Booster) else model.get_booster()
        booster.set_attr(note=secret)
        return True

    def change(self, model: Any) -> bool:
        booster = model if isinstance(model, xgboost.Booster) else model.get_booster()
        # Of a random forest, a round is a whole forest; of a ranker, one that knows nothing of groups.
        booster.set_param({"objective": "reg:squarederror"})
        for round in range(3, 13):
            booster.update(xgboost.DMatrix(FRAME, 9 - 18 * CLASSES), round)
        return True


@pytest.mark.parametrize(
    "kind", ["xgboost.core.ctypes", "xgboost.core.DMatrix", "xgboost.sklearn.cast", "xgboost.spark.X", "os.system", "x"]
)
def test_a_class_of_something_else_is_refused(tmp_path: Path, kind: str) -> None:
    contract = TestXGBoostFlavor()
    directory = contract.publish(tmp_path / "runs" / "a", contract.case("classifier").model).directory
    content = yaml.safe_load((directory / "MLmodel").read_text())
    content["flavors"]["xgboost"]["model_class"] = kind
    (directory / "MLmodel").write_text(yaml.safe_dump(content))
    with pytest.raises(ReticentError, match="not a class of XGBoost's models"):
        load_model(directory)


@pytest.mark.parametrize(
    "kind", ["booster", "logistic", "classifier", "stopped", "labels", "regressor", "ranker", "random forest"]
)
def test_it_is_converted_to_onnx(kind: str) -> None:
    if kind == "logistic":
        model: Any = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(FRAME, CLASSES), 3)
    elif kind == "stopped":
        model = xgboost.XGBClassifier(n_estimators=30, early_stopping_rounds=2)
        model.fit(FRAME, CLASSES, eval_set=[(FRAME[:20], 1 - CLASSES[:20])], verbose=False)
        assert model.best_iteration < 5
    elif kind == "labels":
        model = xgboost.XGBClassifier(n_estimators=3).fit(ROWS, CLASSES + (ROWS[:, 0] > 0))
    else:
        model = TestXGBoostFlavor().case(kind).model
    booster = model if isinstance(model, xgboost.Booster) else model.get_booster()
    before = booster.save_raw("ubj")
    assert flavor.to_onnx is not None
    outputs = onnxruntime.InferenceSession(flavor.to_onnx(model, FRAME)).run(None, {"input": ROWS.astype(np.float32)})
    assert booster.save_raw("ubj") == before
    assert len(outputs) == 1
    if isinstance(model, xgboost.XGBClassifier):
        assert list(outputs[0]) == list(model.predict(ROWS))
    else:
        assert flavor.predict is not None
        assert np.allclose(outputs[0].ravel(), flavor.predict(model, FRAME, {}), atol=1e-4)


def test_a_model_that_gives_something_else_when_it_is_converted_is_none() -> None:
    model = xgboost.train({"objective": "rank:ndcg"}, xgboost.DMatrix(FRAME, CLASSES, qid=np.arange(60) // 10), 3)
    assert flavor.to_onnx is not None
    with pytest.raises(ValueError, match="it gives other predictions"):
        flavor.to_onnx(model, FRAME)
