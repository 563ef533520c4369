"""What is captured of the searches that CatBoost's estimators make themselves."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import catboost
import pytest

from reticent.testing import Captured

from .conftest import classifier, make_data, points

GRID = {"depth": [1, 2], "learning_rate": [0.1, 0.5]}


@pytest.mark.parametrize("name", ["grid_search", "randomized_search"])
@pytest.mark.parametrize("data", [make_data(), (catboost.Pool(*make_data()),)], ids=["arrays", "pool"])
def test_one_run_with_the_best_params_and_their_model(
    name: str, data: Any, only_run: Callable[[], Captured], capfd: pytest.CaptureFixture[str]
) -> None:
    model = classifier(iterations=5, depth=None)
    result = getattr(model, name)(GRID, *data, cv=2, verbose=False)
    capfd.readouterr()  # CatBoost prints all the same
    run = only_run()
    assert {key: run.params[f"best_{key}"] for key in GRID} == {key: str(result["params"][key]) for key in GRID}
    assert run.params["cv"] == "2"
    table = result["cv_results"]
    names = table.keys() - {"iterations"}
    assert {key: run.metrics[key] for key in names} == {key: points(table[key]) for key in names}
    assert run.metrics["best_iteration"][0][1] == table["test-Logloss-mean"].index(min(table["test-Logloss-mean"]))
    assert run.metrics["learn-Logloss"] == points(model.evals_result_["learn"]["Logloss"])
    assert run.metrics["tree_count"] == [(0, model.tree_count_)]
    assert (run.models, run.warnings, run.datasets) == (["model"], [], [("train", "train")])


def test_a_search_without_a_fit_at_its_end(only_run: Callable[[], Captured], capfd: pytest.CaptureFixture[str]) -> None:
    classifier(iterations=5, depth=None).grid_search(GRID, *make_data(), cv=2, refit=False, verbose=False)
    capfd.readouterr()
    run = only_run()
    assert run.models == []
    assert "best_depth" in run.params
    assert "test-Logloss-mean" in run.metrics


@pytest.mark.parametrize("trained", [True, False])
def test_a_selection_of_features_is_a_run_with_the_model_at_its_end(
    trained: bool, root: Path, only_run: Callable[[], Captured]
) -> None:
    told = {"features_for_select": [0, 1, 2], "num_features_to_select": 1, "train_final_model": trained}
    model = classifier()
    result = model.select_features(*make_data(), eval_set=make_data(seed=1), logging_level="Silent", **told)
    run = only_run()
    artifacts = root / "runs" / run.run_id / "artifacts"
    assert json.loads((artifacts / "feature_selection.json").read_text()) == result
    assert {key: run.params[key] for key in told} == {key: str(value) for key, value in told.items()}
    assert (run.status, run.warnings) == ("FINISHED", [])
    assert run.datasets == [("train", "train"), ("validation", "eval")]
    assert run.models == ["model"] * trained
    assert ("feature_importance_PredictionValuesChange.json" in run.artifacts) is trained
    if trained:
        assert run.metrics["validation-Logloss"] == points(model.evals_result_["validation"]["Logloss"])
