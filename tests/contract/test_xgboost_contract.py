"""The XGBoost integration keeps what integrations promise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import xgboost

from reticent.testing import Canary, ExampleCall, IntegrationContract
from reticent_integrations.xgboost import integration


def make_data() -> xgboost.DMatrix:
    X = np.random.default_rng(0).normal(size=(60, 4))
    return xgboost.DMatrix(X, label=X[:, 0] > 0)


class TestXGBoost(IntegrationContract):
    integration = integration
    code = "import numpy; xgboost.train({}, xgboost.DMatrix(numpy.eye(4), numpy.arange(4)), 2)"

    def call(self) -> ExampleCall:
        data = make_data()
        arguments = {
            "params": {"objective": "binary:logistic", "eval_metric": ["auc", "logloss"], "seed": 0, "nthread": 1},
            "dtrain": data,
            "num_boost_round": 5,
            "evals": [(data, "train"), (make_data(), "valid")],
            "early_stopping_rounds": 3,
            "evals_result": {},
            "verbose_eval": False,
            "callbacks": [xgboost.callback.LearningRateScheduler([0.3, 0.2, 0.1, 0.1, 0.1])],
        }
        return ExampleCall(xgboost.train, arguments, optional=("callbacks", "evals_result", "maximize"))

    @pytest.fixture(autouse=True)
    def verbosity(self) -> Iterator[None]:
        """XGBoost makes the verbosity in params that of the process."""
        before = xgboost.get_config()["verbosity"]
        yield
        xgboost.set_config(verbosity=before)

    def call_with_secrets(self, canary: Canary) -> ExampleCall:
        X = np.random.default_rng(0).normal(size=(60, 3))
        names = [f"api_key={canary.keyed}", canary.shaped, canary.known]
        data = xgboost.DMatrix(X, label=X[:, 0] > 0, feature_names=names)
        told = {"api_key": canary.keyed, "note": canary.shaped, "remark": canary.known, "verbosity": 0, "nthread": 1}
        evals = [(data, canary.shaped)]
        arguments = {"params": told, "dtrain": data, "num_boost_round": 3, "evals": evals, "verbose_eval": False}
        return ExampleCall(xgboost.train, arguments)

    def failing_call(self, error: BaseException) -> ExampleCall:
        def objective(predictions: Any, data: Any) -> Any:
            raise error

        return ExampleCall(
            xgboost.train, {"params": {"nthread": 1}, "dtrain": make_data(), "num_boost_round": 3, "obj": objective}
        )

    def outcome(self, returned: Any) -> object:
        return bytes(returned.save_raw("ubj")), returned.attributes(), returned.feature_names
