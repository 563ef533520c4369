"""What `reticent.autolog()` captures of XGBoost, of scripts as users write them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import xgboost

from .capturing import Stored, check_captures, check_floor, trainings

DATA = """
import json, xgboost
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
X_train, X_valid, y_train, y_valid = train_test_split(X, y, random_state=0)
params = {"objective": "binary:logistic", "max_depth": 3, "eval_metric": ["logloss", "auc"]}
train, valid = xgboost.DMatrix(X_train, y_train), xgboost.DMatrix(X_valid, y_valid)
"""

TRAINING = """
result = {}
booster = xgboost.train(params, train, 60, evals=[(train, "train"), (valid, "valid")], early_stopping_rounds=5,
                        evals_result=result, verbose_eval=False)
importances = {kind: booster.get_score(importance_type=kind) for kind in ("weight", "gain", "total_cover")}
json.dump([result, booster.best_iteration, booster.best_score, importances], open("said.json", "w"))
"""

CV = """
table = xgboost.cv(params, train, 8, nfold=3, early_stopping_rounds=4, seed=0)
json.dump({name: list(column) for name, column in table.items()}, open("said.json", "w"))
"""

ESTIMATOR = """
model = xgboost.XGBClassifier(n_estimators=40, early_stopping_rounds=3, eval_metric="logloss")
model.fit(X_train, y_train, eval_set=[(X_valid, y_valid)], verbose=False)
json.dump([model.evals_result(), model.best_iteration], open("said.json", "w"))
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Stored, Path]]:
    """The run of each training, with the directory that it was made in."""
    codes = {"train": TRAINING, "cv": CV, "estimator": ESTIMATOR}
    return trainings({title: DATA + code for title, code in codes.items()}, tmp_path_factory)


def test_train(runs: dict[str, tuple[Stored, Path]]) -> None:
    run, directory = runs["train"]
    result, best, best_score, importances = json.loads((directory / "said.json").read_text())
    steps = len(result["valid"]["auc"])
    assert steps == best + 5 + 1 < 60, "it stops early"
    # MLflow adds a point behind the last one, of the best iteration; its script had 13 of them.
    floor = {f"{data}-{metric}": steps for data in ("train", "valid") for metric in ("logloss", "auc")}
    check_floor(run, "xgboost_train", points=floor)
    for data, metrics in result.items():
        for metric, scores in metrics.items():
            assert run.metrics[f"{data}-{metric}"] == list(enumerate(scores))
    told = {name: run.metrics[name] for name in ("best_step", "stopped_step", "best_score")}
    last = steps - 1
    assert told == {"best_step": [(last, best)], "stopped_step": [(last, last)], "best_score": [(last, best_score)]}
    assert (run.metrics["best_iteration"], run.metrics["stopped_iteration"]) == ([(last, best)], [(last, last)])
    assert run.tags["early_stopping_monitor"] == "valid-auc"
    assert run.params["max_depth"] == ("3", "explicit")
    assert run.params["maximize"] == ("None", "default")
    assert {name: profile["features"]["rows"] for (name, _), (_, profile) in run.datasets.items()} == {  # type: ignore[index]
        "train": 426,
        "valid": 143,
    }
    assert run.models == ["model"]
    assert {"model/model.ubj", "model/input_example.json"} <= set(run.artifacts)
    artifacts = directory / "root" / "runs" / run.run_id / "artifacts"
    for kind, scores in importances.items():
        assert json.loads((artifacts / f"feature_importance_{kind}.json").read_text()) == scores


def test_cv(runs: dict[str, tuple[Stored, Path]]) -> None:
    run, directory = runs["cv"]
    table = json.loads((directory / "said.json").read_text())
    for name, column in table.items():
        assert run.metrics[name][: len(column)] == list(enumerate(column))
    assert {len(points) for name, points in run.metrics.items() if name.startswith("fold_")} == {
        len(run.metrics["test-auc-mean"])
    }
    assert sum(name.startswith("fold_") for name in run.metrics) == 3 * 4
    assert "cv_results.csv" in run.artifacts


def test_estimator(runs: dict[str, tuple[Stored, Path]]) -> None:
    run, directory = runs["estimator"]
    result, best = json.loads((directory / "said.json").read_text())
    scores = result["validation_0"]["logloss"]
    assert run.metrics["validation_0-logloss"] == list(enumerate(scores))
    assert run.metrics["best_step"] == [(len(scores) - 1, best)]
    assert run.params["n_estimators"] == ("40", "explicit")
    assert run.tags["estimator_name"] == "XGBClassifier"


def test_table(runs: dict[str, tuple[Stored, Path]]) -> None:
    # Without the estimator, of which the scikit-learn integration captures most.
    check_captures("xgboost", xgboost.__version__, {title: runs[title][0] for title in ("train", "cv")})
