"""Trainings with scikit-learn, read back from the database."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sklearn

from .capturing import Stored, check_captures, check_floor, script

CODE = """
import json
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.metrics import f1_score
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
X = (X - X.mean()) / X.std()
Xa, ya, Xb, yb = X[:400], y[:400], X[400:], y[400:]

model = LogisticRegression(C=0.5).fit(Xa, ya)
said = {"score": model.score(Xb, yb), "f1": f1_score(yb, model.predict(Xb)), "trained": model.score(Xa, ya)}

pipeline = make_pipeline(StandardScaler(), LogisticRegression())
search = GridSearchCV(pipeline, {"logisticregression__C": [0.01, 0.1, 1.0]}, cv=3).fit(Xa, ya)
said["best"] = search.best_params_["logisticregression__C"], search.best_score_
said["means"] = search.cv_results_["mean_test_score"].tolist()

said["folds"] = cross_validate(LogisticRegression(), X, y, cv=4)["test_score"].tolist()

network = MLPRegressor(hidden_layer_sizes=(4,), early_stopping=True, n_iter_no_change=2, random_state=0).fit(Xa, ya)
said["network"] = network.n_iter_, network.best_validation_score_

steps = SGDClassifier(random_state=0)
for start in range(0, 400, 100):
    steps.partial_fit(Xa[start:start + 100], ya[start:start + 100], classes=[0, 1])
json.dump(said, open("said.json", "w"))
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Stored], Path]:
    directory = tmp_path_factory.mktemp("sklearn")
    return script(CODE, directory), directory / "said.json"


def by_name(runs: list[Stored], name: str) -> Stored:
    (run,) = [run for run in runs if run.name == name]
    return run


def test_what_is_captured(trained: tuple[list[Stored], Path]) -> None:
    runs, place = trained
    said = json.loads(place.read_text())
    fit, validation = [run for run in runs if run.name == "LogisticRegression"]
    search, network = by_name(runs, "GridSearchCV"), by_name(runs, "MLPRegressor")
    steps = by_name(runs, "SGDClassifier")
    children = [run for run in runs if run.parent_id == search.run_id]
    assert len(runs) == 5 + len(children)
    assert {(run.status, *run.warnings) for run in runs} == {("FINISHED",)}

    check_floor(fit, "sklearn_logreg", {"LogisticRegression_score_Xb": "LogisticRegression_score_eval"})
    assert fit.params["C"] == ("0.5", "explicit")
    assert fit.params["tol"][1] == "default"
    assert fit.metrics["LogisticRegression_score_eval"] == [(0, said["score"])]
    assert fit.metrics["f1_score_eval"] == [(0, said["f1"])]
    assert fit.metrics["training_score"] == [(0, said["trained"])]
    _, profile = fit.datasets["dataset", "train"]
    assert profile["features"] == {"rows": 400, "columns": 30}
    assert set(fit.datasets) == {("dataset", "train"), ("eval", "eval")}
    assert fit.models == ["model"]
    assert "model/input_example.json" in fit.artifacts

    assert [search.params["best_logisticregression__C"][0], search.metrics["best_cv_score"][0][1]] == [
        str(said["best"][0]),
        said["best"][1],
    ]
    assert {"cv_results.csv", "estimator.html"} <= set(search.artifacts)
    assert search.models == ["best_estimator", "model"]
    means = {child.name: child.metrics["mean_test_score"][0][1] for child in children}
    assert means == {f"GridSearchCV.candidate_{number}": mean for number, mean in enumerate(said["means"])}
    for child in children:
        floor = (
            "mean_fit_time std_fit_time mean_score_time std_score_time mean_test_score std_test_score rank_test_score"
        )
        assert set(floor.split()) < set(child.metrics)

    assert validation.metrics["test_score"] == list(enumerate(said["folds"]))
    assert "cross_validate.json" in validation.artifacts

    trained_epochs, best = said["network"]
    assert len(network.metrics["loss"]) == len(network.metrics["validation_score"]) == trained_epochs
    assert network.metrics["best_score"] == [(trained_epochs - 1, best)]
    regression = {"mean_squared_error", "mean_absolute_error", "r2_score", "root_mean_squared_error", "score"}
    assert {f"training_{name}" for name in regression} < set(network.metrics)

    assert steps.metrics["samples_seen"] == [(0, 100), (1, 200), (2, 300), (3, 400)]
    assert steps.models == ["model"]

    check_captures(
        "sklearn",
        sklearn.__version__,
        {
            "fit": fit,
            "search": search,
            "candidate of a search": children[0],
            "cross_validate": validation,
            "fit with early stopping": network,
            "partial_fit": steps,
        },
    )
