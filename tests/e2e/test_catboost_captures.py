"""CatBoost, as a user trains with it: all that is captured is in the database, and is what CatBoost says itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import catboost
import pytest

from .capturing import Stored, check_captures, script

TRAINING = """
import json
import catboost
from sklearn.datasets import load_breast_cancer

cancer = load_breast_cancer(as_frame=True)
X, y = cancer.data, cancer.target
model = catboost.CatBoostClassifier(
    iterations=60, learning_rate=0.4, depth=3, eval_metric="AUC", custom_metric=["Accuracy"], verbose=False
)
model.fit(X[:450], y[:450], eval_set=(X[450:], y[450:]), early_stopping_rounds=5)

params = {"loss_function": "RMSE", "depth": 2, "verbose": False}
train = catboost.Pool(X[:450], y[:450])
valid = [catboost.Pool(X[450:500], y[450:500]), catboost.Pool(X[500:], y[500:])]
booster = catboost.train(train, params, num_boost_round=20, eval_set=valid)

table = catboost.cv(train, {**params, "loss_function": "Logloss"}, iterations=8, fold_count=3)
own = {
    "fit": [model.evals_result_, model.best_score_, model.best_iteration_, model.tree_count_],
    "train": [booster.evals_result_, booster.best_score_, booster.best_iteration_, booster.tree_count_],
    "cv": {name: list(table[name]) for name in table},
}
with open("own.json", "w") as file:
    json.dump(own, file)
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("catboost")


@pytest.fixture(scope="module")
def runs(directory: Path) -> list[Stored]:
    return script(TRAINING, directory)


@pytest.fixture(scope="module")
def own(runs: list[Stored], directory: Path) -> dict[str, Any]:
    """What CatBoost itself says; after the runs, which write it."""
    found: dict[str, Any] = json.loads((directory / "own.json").read_text())
    return found


def series(values: list[float]) -> list[tuple[int, float]]:
    return list(enumerate(values))


def test_three_trainings_are_three_runs(runs: list[Stored]) -> None:
    assert [run.name for run in runs] == ["CatBoostClassifier", "CatBoost", "catboost.cv"]
    assert {run.status for run in runs} == {"FINISHED"}
    assert [run.warnings for run in runs] == [[], [], []]
    assert {run.tags["autologging"] for run in runs} == {"catboost"}


@pytest.mark.parametrize(("number", "name"), [(0, "fit"), (1, "train")])
def test_metrics_of_each_iteration_and_the_best(
    number: int, name: str, runs: list[Stored], own: dict[str, Any]
) -> None:
    run = runs[number]
    evals, best, best_iteration, trees = own[name]
    told = {f"{data}-{metric}": series(values) for data, found in evals.items() for metric, values in found.items()}
    told |= {f"best_{data}-{metric}": [(0, value)] for data, found in best.items() for metric, value in found.items()}
    told |= {"best_iteration": [(0, best_iteration)], "tree_count": [(0, trees)]}
    assert {metric: run.metrics[metric] for metric in told} == told
    others = {"fit_seconds", "fit_samples_per_second", "peak_memory_mb"}
    others |= {"best_step", "stopped_step", "best_score", "stopped_iteration"} if name == "fit" else set()
    assert run.metrics.keys() - told.keys() == others


def test_early_stopping(runs: list[Stored], own: dict[str, Any]) -> None:
    evals, _, best, _ = own["fit"]
    values, run = evals["validation"]["AUC"], runs[0]
    assert len(values) == best + 6 < 60
    stopped = len(values) - 1
    told = {"best_step": best, "best_score": values[best], "stopped_step": stopped, "stopped_iteration": stopped}
    assert {name: run.metrics[name] for name in told} == {name: [(stopped, value)] for name, value in told.items()}
    tags = {name: value for name, value in run.tags.items() if name.startswith("early_stopping")}
    assert tags == {
        "early_stopping_monitor": "validation-AUC",
        "early_stopping_patience": "5",
        "early_stopping_reason": "no improvement",
    }


def test_params_with_where_they_come_from(runs: list[Stored]) -> None:
    params = runs[0].params
    assert params["learning_rate"] == ("0.4", "explicit")
    assert params["early_stopping_rounds"] == ("5", "explicit")
    assert params["custom_metric"] == ("['Accuracy']", "explicit")
    assert params["loss_function"] == ("Logloss", "derived")
    assert params["l2_leaf_reg"] == ("3", "default")
    assert runs[1].params["learning_rate"][1] == "derived"
    assert runs[1].params["iterations"] == ("20", "explicit")
    assert runs[2].params["fold_count"] == ("3", "explicit")
    assert runs[2].params["shuffle"] == ("True", "default")


def test_data_sets(runs: list[Stored]) -> None:
    schema, profile = runs[0].datasets[("train", "train")]
    assert schema["features"]["shape"] == [450, 30]  # type: ignore[index] # JSON
    assert profile["classes"] == {"1": 265, "0": 185}
    assert set(runs[0].datasets) == {("train", "train"), ("validation", "eval")}
    assert set(runs[1].datasets) == {("train", "train"), ("validation_0", "eval"), ("validation_1", "eval")}
    assert set(runs[2].datasets) == {("train", "train")}


def test_cross_validation(runs: list[Stored], own: dict[str, Any]) -> None:
    names = {"test-Logloss-mean", "test-Logloss-std", "train-Logloss-mean", "train-Logloss-std"}
    assert {name: runs[2].metrics[name] for name in names} == {name: series(own["cv"][name]) for name in names}


def test_captures_are_those_of_the_table(runs: list[Stored]) -> None:
    seen = dict(zip(["fit with early stopping", "train", "cv"], runs, strict=True))
    check_captures("catboost", catboost.__version__, seen)
