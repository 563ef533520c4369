"""What `reticent.autolog()` captures of LightGBM, of scripts as users write them."""

from __future__ import annotations

import json
from pathlib import Path

import lightgbm
import pytest

from .capturing import Stored, check_captures, check_floor, trainings

DATA = """
import json, lightgbm
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
X.columns = [name.replace(" ", "_") for name in X]
X_train, X_valid, y_train, y_valid = train_test_split(X, y, random_state=0)
params = {"objective": "binary", "metric": ["auc", "binary_logloss"], "verbose": -1}
train = lightgbm.Dataset(X_train, y_train, free_raw_data=False)
result = {}
"""

TRAINING = """
callbacks = [lightgbm.early_stopping(5, verbose=False), lightgbm.record_evaluation(result)]
booster = lightgbm.train(params, train, 100, valid_sets=[lightgbm.Dataset(X_valid, y_valid, reference=train)],
                         callbacks=callbacks)
importances = {kind: booster.feature_importance(kind).tolist() for kind in ("split", "gain")}
json.dump([result, booster.best_iteration, booster.best_score, importances, list(X)], open("said.json", "w"))
"""

CV = """
json.dump(lightgbm.cv(params, train, 8, nfold=3, seed=0), open("said.json", "w"))
"""

ESTIMATOR = """
model = lightgbm.LGBMClassifier(n_estimators=40, verbose=-1)
model.fit(X_train, y_train, eval_set=[(X_valid, y_valid)], callbacks=[lightgbm.early_stopping(3, verbose=False)])
json.dump([model.evals_result_, model.best_iteration_], open("said.json", "w"))
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Stored, Path]]:
    """The run of each training, with the directory that it was made in."""
    codes = {"train": TRAINING, "cv": CV, "estimator": ESTIMATOR}
    return trainings({title: DATA + code for title, code in codes.items()}, tmp_path_factory)


def test_train(runs: dict[str, tuple[Stored, Path]]) -> None:
    run, directory = runs["train"]
    result, best, best_scores, importances, columns = json.loads((directory / "said.json").read_text())
    steps = len(result["valid_0"]["auc"])
    assert steps == best + 5 < 100, "it stops early"
    # MLflow adds a point behind the last one, of the best iteration; its script had 16 of them.
    check_floor(run, "lightgbm_train", points={"valid_0-auc": steps, "valid_0-binary_logloss": steps})
    for metric, scores in result["valid_0"].items():
        assert run.metrics[f"valid_0-{metric}"] == list(enumerate(scores))
    last = steps - 1
    assert (run.metrics["best_step"], run.metrics["stopped_step"]) == ([(last, best - 1)], [(last, last)])
    assert (run.metrics["best_iteration"], run.metrics["stopped_iteration"]) == ([(last, best)], [(last, steps)])
    monitored = run.tags["early_stopping_monitor"].removeprefix("valid_0-")
    assert run.metrics["best_score"] == [(last, best_scores["valid_0"][monitored])]
    assert run.params["early_stopping_round"] == ("5", "explicit")
    assert run.params["keep_training_booster"] == ("False", "default")
    assert {name: profile["features"]["rows"] for (name, _), (_, profile) in run.datasets.items()} == {  # type: ignore[index]
        "train": 426,
        "valid_0": 143,
    }
    assert run.models == ["model"]
    assert {"model/model.txt", "model/input_example.json"} <= set(run.artifacts)
    artifacts = directory / "root" / "runs" / run.run_id / "artifacts"
    for kind, scores in importances.items():
        said = json.loads((artifacts / f"feature_importance_{kind}.json").read_text())
        assert said == dict(zip(columns, scores, strict=True))


def test_cv(runs: dict[str, tuple[Stored, Path]]) -> None:
    run, directory = runs["cv"]
    table = json.loads((directory / "said.json").read_text())
    for theirs, column in table.items():
        name = theirs.replace(" ", "-").replace("-stdv", "-std")
        assert run.metrics[name] == list(enumerate(column))
    folds = [points for name, points in run.metrics.items() if name.startswith("fold_")]
    assert [len(points) for points in folds] == [8] * 3 * 2
    assert "cv_results.csv" in run.artifacts


def test_estimator(runs: dict[str, tuple[Stored, Path]]) -> None:
    run, directory = runs["estimator"]
    result, best = json.loads((directory / "said.json").read_text())
    scores = result["valid_0"]["binary_logloss"]
    assert run.metrics["valid_0-binary_logloss"] == list(enumerate(scores))
    assert run.metrics["best_step"] == [(len(scores) - 1, best - 1)]
    assert run.params["n_estimators"] == ("40", "explicit")
    assert run.tags["estimator_name"] == "LGBMClassifier"


def test_table(runs: dict[str, tuple[Stored, Path]]) -> None:
    # Without the estimator, of which the scikit-learn integration captures most.
    check_captures("lightgbm", lightgbm.__version__, {title: runs[title][0] for title in ("train", "cv")})
