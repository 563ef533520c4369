"""The flavour of XGBoost keeps the contract."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xgboost
from tests.contract.flavors import FlavorMatrix

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
