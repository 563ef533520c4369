"""The CatBoost integration keeps what integrations promise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import catboost
import numpy as np
import pytest

from reticent.testing import Canary, ExampleCall, IntegrationContract
from reticent_integrations.catboost import integration

QUIET = {"verbose": False, "thread_count": 1, "allow_writing_files": False}


def make_data() -> tuple[Any, Any]:
    X = np.random.default_rng(0).normal(size=(60, 4))
    return X, (X[:, 0] > 0).astype(int)


class Watching:
    """A callback of the user's."""

    def after_iteration(self, info: Any) -> bool:
        return bool(info.metrics)


class NotToBeCopied:
    """A metric of the user's, of which CatBoost makes a copy."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __deepcopy__(self, memo: object) -> object:
        raise self.error


class TestCatBoost(IntegrationContract):
    integration = integration
    code = (
        "import numpy; catboost.CatBoostRegressor(iterations=2, verbose=False, thread_count=1, allow_writing_files=False)"
        ".fit(numpy.eye(4), numpy.arange(4))"
    )

    @pytest.fixture(autouse=True)
    def directory(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """CatBoost makes directories in the current one, even for what it never writes."""
        monkeypatch.chdir(tmp_path)

    def call(self) -> ExampleCall:
        X, y = make_data()
        model = catboost.CatBoostClassifier(iterations=5, eval_metric="AUC", random_seed=1, **QUIET)
        arguments = {
            "X": X,
            "y": y,
            "eval_set": [make_data(), catboost.Pool(*make_data())],
            "early_stopping_rounds": 3,
            "callbacks": [Watching()],
        }
        return ExampleCall(model.fit, arguments, optional=("callbacks", "verbose"))

    def call_with_secrets(self, canary: Canary) -> ExampleCall:
        X, y = make_data()
        names = [f"api_key={canary.keyed}", canary.shaped, canary.known, "plain"]
        told = {"train_dir": f"/tmp/{canary.shaped}", "name": canary.known, "metadata": {"api_key": canary.keyed}}
        model = catboost.CatBoostClassifier(iterations=3, **told, **QUIET)
        data = catboost.Pool(X, y, feature_names=names)
        return ExampleCall(model.fit, {"X": data, "eval_set": data})

    def failing_call(self, error: BaseException) -> ExampleCall:
        model = catboost.CatBoostClassifier(iterations=3, eval_metric=NotToBeCopied(error), **QUIET)
        X, y = make_data()
        return ExampleCall(model.fit, {"X": X, "y": y})

    def outcome(self, returned: Any) -> object:
        X, _ = make_data()
        told = returned.get_metadata()["params"]
        return (
            returned.predict_proba(X).tobytes(),
            returned.evals_result_,
            returned.best_score_,
            told,
            returned.get_params(),
        )
