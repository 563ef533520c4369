"""The LightGBM integration keeps what integrations promise."""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np

from reticent.testing import Canary, ExampleCall, IntegrationContract
from reticent_integrations.lightgbm import integration

PARAMS = {"objective": "binary", "metric": ["auc", "binary_logloss"], "seed": 0, "num_threads": 1, "verbose": -1}


def make_data(seed: int = 0, **options: Any) -> lightgbm.Dataset:
    X = np.random.default_rng(seed).normal(size=(60, 4))
    return lightgbm.Dataset(X, label=X[:, 0] > 0, **options)


class TestLightGBM(IntegrationContract):
    integration = integration
    code = """
import numpy
data = lightgbm.Dataset(numpy.arange(200.0).reshape(50, 4), numpy.arange(50) % 2)
lightgbm.train({"num_threads": 1, "verbose": -1}, data, 2)
"""

    def call(self) -> ExampleCall:
        data = make_data()
        arguments = {
            "params": PARAMS,
            "train_set": data,
            "num_boost_round": 5,
            "valid_sets": [data, make_data(1, reference=data)],
            "valid_names": ["train", "valid"],
            "feval": None,
            "init_model": None,
            "keep_training_booster": False,
            "callbacks": [lightgbm.early_stopping(3, verbose=False), lightgbm.record_evaluation({})],
        }
        return ExampleCall(lightgbm.train, arguments, optional=("callbacks", "feval", "init_model"))

    def call_with_secrets(self, canary: Canary) -> ExampleCall:
        # Not among these: what has a quotation mark, which LightGBM refuses in names of features.
        names = [f"api_key={canary.keyed}", canary.shaped, "third"]
        X = np.random.default_rng(0).normal(size=(60, 3))
        data = lightgbm.Dataset(X, label=X[:, 0] > 0, feature_name=names)
        valid = lightgbm.Dataset(X, label=X[:, 0] > 0, reference=data)
        told = {"api_key": canary.keyed, "note": canary.shaped, "remark": canary.known, "verbose": -1, "num_threads": 1}
        arguments = {"params": told, "train_set": data, "num_boost_round": 3, "valid_sets": [valid, valid]}
        return ExampleCall(lightgbm.train, {**arguments, "valid_names": [canary.shaped, canary.known]})

    def failing_call(self, error: BaseException) -> ExampleCall:
        def objective(predictions: Any, data: Any) -> Any:
            raise error

        params = {"objective": objective, "verbose": -1, "num_threads": 1}
        return ExampleCall(lightgbm.train, {"params": params, "train_set": make_data(), "num_boost_round": 3})

    def outcome(self, returned: Any) -> object:
        return returned.model_to_string(), returned.best_iteration, dict(returned.best_score), returned.params
