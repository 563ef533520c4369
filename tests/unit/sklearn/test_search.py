"""Searches and cross-validation: one run, and a child for each candidate."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from joblib import parallel_backend
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    RandomizedSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    permutation_test_score,
    validation_curve,
)
from sklearn.pipeline import make_pipeline

import reticent
from reticent.cli.runs import tree
from reticent.store import with_descendants
from reticent.testing import Captured, captured

pytestmark = pytest.mark.usefixtures("autolog")

SCORES = {
    "mean_fit_time",
    "std_fit_time",
    "mean_score_time",
    "std_score_time",
    "split0_test_score",
    "split1_test_score",
    "mean_test_score",
    "std_test_score",
    "rank_test_score",
}

PHASE = {"fit_seconds", "fit_samples_per_second", "peak_memory_mb"}


def family(root: Path) -> tuple[Captured, list[Captured]]:
    """The one run without a parent, and its children."""
    runs = captured(root)
    (parent,) = [run for run in runs if run.parent_id is None]
    children = [run for run in runs if run.parent_id == parent.run_id]
    assert len(children) == len(runs) - 1
    return parent, children


def name_of(run: Captured) -> str:
    reticent.flush(60)
    return reticent.get_run(run.run_id).name


def check(search: Any, root: Path) -> tuple[Captured, list[Captured]]:
    parent, children = family(root)
    assert parent.metrics["best_cv_score"][0][1] == search.best_score_
    assert sorted(parent.models) == ["best_estimator", "model"]
    assert "training_score" in parent.metrics
    table = (root / "runs" / parent.run_id / "artifacts/cv_results.csv").read_text()
    assert len(list(csv.DictReader(table.splitlines()))) == len(search.cv_results_["params"])
    assert parent.warnings == []
    for child in children:
        assert child.status == "FINISHED"
        assert child.tags["estimator_name"] == type(search.estimator).__name__
        assert child.warnings == []
        assert set(child.tags) == {"estimator_name", "estimator_class", "autologging", "source"}
    return parent, children


@pytest.mark.parametrize("backend", ["sequential", "threading", "loky"])
def test_a_grid(backend, cancer, root):
    search = GridSearchCV(LogisticRegression(), {"C": [0.01, 0.1, 1.0, 10.0, 100.0]}, cv=2, n_jobs=2)
    with parallel_backend(backend):
        search.fit(*cancer)
    parent, children = check(search, root)
    assert parent.params["best_C"] == str(search.best_params_["C"])
    assert parent.params["estimator"] == "LogisticRegression()"
    assert "estimator__C" not in parent.params
    assert sorted(float(child.params["C"]) for child in children) == [0.01, 0.1, 1.0, 10.0, 100.0]
    assert all(set(child.metrics) == SCORES for child in children)
    ranks = [child.metrics["rank_test_score"][0][1] for child in children]
    assert sorted(ranks) == sorted(search.cv_results_["rank_test_score"])


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_candidate_took_as_long_as_its_fits(n_jobs, cancer, root):
    search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0, 10.0]}, cv=4, n_jobs=n_jobs).fit(*cancer)
    reticent.flush(60)
    parent, *_ = reticent.search_runs("params.best_C != ''")
    children = reticent.search_runs(f"parent_run_id = '{parent.run_id}'")
    assert len(children) == 3
    for child in children:
        assert child.status == "FINISHED"
        assert child.start_time >= parent.start_time
        took = 4 * (child.metrics["mean_fit_time"] + child.metrics["mean_score_time"])
        assert child.duration_s == pytest.approx(took, abs=1e-5), "as cv_results_ has it"
    assert sum(child.duration_s for child in children) == pytest.approx(
        4 * sum(search.cv_results_["mean_fit_time"] + search.cv_results_["mean_score_time"]), abs=1e-5
    )


class Guessing(ClassifierMixin, BaseEstimator):
    """A class that other processes can only have by value."""

    def __init__(self, label=0):
        self.label = label

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[self.label])


Guessing.__module__ = "__main__"


def test_a_class_of_the_users_script_in_other_processes(cancer, root):
    search = GridSearchCV(Guessing(), {"label": [0, 1]}, cv=2, n_jobs=2).fit(*cancer)
    parent, children = check(search, root)
    assert parent.params["best_label"] == "1"
    assert len(children) == 2


def test_texts(texts, root):
    pipeline = make_pipeline(TfidfVectorizer(), LogisticRegression())
    search = GridSearchCV(pipeline, {"logisticregression__C": [1.0, 2.0]}, cv=2).fit(*texts)
    _, children = check(search, root)
    assert len(children) == 2


def test_several_metrics(cancer, root):
    search = RandomizedSearchCV(
        LogisticRegression(), {"C": [0.1, 1.0, 10.0]}, n_iter=2, cv=2, scoring=["accuracy", "f1"], refit="f1"
    )
    search.fit(*cancer)
    _, children = check(search, root)
    assert {"mean_test_accuracy", "mean_test_f1", "rank_test_f1"} <= set(children[0].metrics)


@pytest.mark.parametrize("backend", ["sequential", "loky"])
def test_a_halving_search(backend, cancer, root):
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401
    from sklearn.model_selection import HalvingGridSearchCV

    with parallel_backend(backend):
        search = HalvingGridSearchCV(LogisticRegression(), {"C": [0.1, 1.0, 10.0]}, cv=2, n_jobs=2).fit(*cancer)
    _, children = check(search, root)
    assert len(children) == len(search.cv_results_["params"])
    for name in ("iter", "n_resources"):
        column = sorted((float(c.params["C"]), c.metrics[name][0][1]) for c in children)
        assert column == sorted(
            zip((p["C"] for p in search.cv_results_["params"]), search.cv_results_[name], strict=True)
        )
    assert max(child.metrics["iter"][0][1] for child in children) == search.n_iterations_ - 1


class Waiting(ClassifierMixin, BaseEstimator):
    """Its last candidate is not fitted before two others have their runs."""

    def __init__(self, number=1, runs="", last=0):
        self.number = number
        self.runs = runs
        self.last = last

    def fit(self, X, y):
        import pathlib
        import time

        self.classes_ = np.unique(y)
        deadline = time.monotonic() + 30
        while self.last == self.number and len(list(pathlib.Path(self.runs).iterdir())) < 3:
            if time.monotonic() > deadline:
                raise TimeoutError("no candidate has a run")
            time.sleep(0.01)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


@pytest.mark.parametrize("backend", ["sequential", "threading", "loky", "multiprocessing"])
def test_candidates_have_runs_while_the_search_goes_on(backend, cancer, root, monkeypatch):
    if backend == "loky":  # other processes can only have it by value
        monkeypatch.setattr(Waiting, "__module__", "__main__")
    waiting, grid = Waiting(runs=str(root / "runs"), last=4), {"number": [1, 2, 3, 4]}
    with parallel_backend(backend):
        GridSearchCV(waiting, grid, cv=2, n_jobs=2, error_score="raise", refit=False).fit(*cancer)
    _, children = family(root)
    assert len(children) == 4


@pytest.mark.parametrize("streamed", [True, False])
def test_what_a_candidate_has_is_what_the_results_say(streamed, cancer, root, monkeypatch):
    if not streamed:  # as with a version of joblib that is made otherwise
        monkeypatch.setattr("reticent_integrations.sklearn.watching._SOURCES", ("_none_such",))
    search = GridSearchCV(
        LogisticRegression(),
        {"C": [0.01, 1.0, 10.0]},
        cv=3,
        scoring=["accuracy", "f1"],
        refit="f1",
        return_train_score=True,
    ).fit(*cancer)
    _, children = check(search, root)
    results = search.cv_results_
    names = [name for name in results if name != "params" and not name.startswith("param_")]
    assert len(children) == 3
    for child in children:
        number = [params["C"] for params in results["params"]].index(float(child.params["C"]))
        assert name_of(child) == f"GridSearchCV.candidate_{number}"
        assert {name: points[0][1] for name, points in child.metrics.items()} == {
            name: results[name][number] for name in names
        }


def test_a_search_in_a_search_has_no_candidates_of_its_own(cancer, root):
    inner = GridSearchCV(LogisticRegression(), {"C": [1.0, 2.0, 3.0]}, cv=2)
    GridSearchCV(inner, {"error_score": [0.0, 1.0]}, cv=2).fit(*cancer)
    parent, children = family(root)
    assert sorted(map(name_of, children)) == ["GridSearchCV.candidate_0", "GridSearchCV.candidate_1"]
    assert parent.tags["candidates"] == "2"


def test_a_search_that_fails_keeps_the_candidates_that_were_done(cancer, root):
    with pytest.raises(ValueError, match="must be a float"):
        GridSearchCV(LogisticRegression(), {"C": [1.0, 2.0, -1.0]}, cv=2, error_score="raise").fit(*cancer)
    parent, children = family(root)
    assert parent.status == "FAILED"
    assert [(child.status, child.params["C"]) for child in children] == [("FINISHED", "1.0"), ("FINISHED", "2.0")]


def test_a_search_of_the_users_own(cancer, root):
    from sklearn.model_selection._search import BaseSearchCV

    class Twice(BaseSearchCV):
        """Looks around the best of what it has seen."""

        def __init__(self, estimator, cv):
            super().__init__(estimator, cv=cv)

        def _run_search(self, evaluate_candidates):
            results = evaluate_candidates([{"C": 0.01}, {"C": 1.0}])
            best = results["params"][results["rank_test_score"].argmin()]["C"]
            evaluate_candidates([{"C": best * 2}])

    Twice(LogisticRegression(), cv=2).fit(*cancer)
    _, children = family(root)
    assert sorted((name_of(child), child.params["C"]) for child in children) == [
        ("Twice.candidate_0", "0.01"),
        ("Twice.candidate_1", "1.0"),
        ("Twice.candidate_2", "2.0"),
    ]


@pytest.mark.parametrize(
    ("most", "expected"), [(0, set()), (1, {1.0}), (3, {1e-5, 1e-4, 1.0}), (9, {1e-5, 1e-4, 1e-3, 1.0})]
)
def test_the_first_candidates_and_the_best_have_runs(most, expected, cancer, root):
    reticent.autolog(sklearn={"max_children": most})
    search = GridSearchCV(LogisticRegression(), {"C": [1e-5, 1e-4, 1e-3, 1.0]}, cv=2).fit(*cancer)
    assert search.best_params_ == {"C": 1.0}
    parent, children = check(search, root)
    assert parent.tags["candidates"] == "4"
    assert int(parent.tags.get("candidates_without_child_run", 0)) == 4 - len(expected)
    assert {float(child.params["C"]) for child in children} == expected


@pytest.mark.parametrize("error_score", [math.nan, -1.0])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning", "ignore:One or more of the test scores")
def test_candidates_that_were_never_fitted_have_failed(error_score, cancer, root):
    class Moody(LogisticRegression):
        def fit(self, X, y):
            if self.C == 3.0 and X[0, 0] != cancer[0][0, 0]:
                raise ValueError("not on this split")
            return super().fit(X, y)

    grid = {"C": [-1.0, 1.0, 3.0]}  # never, always and sometimes fitted
    GridSearchCV(Moody(), grid, cv=3, error_score=error_score, scoring=["accuracy", "f1"], refit="f1").fit(*cancer)
    parent, children = family(root)
    assert parent.status == "FINISHED"
    ended = {float(child.params["C"]): (child.status, child.error) for child in children}
    assert ended[1.0] == ended[3.0] == ("FINISHED", None)
    status, error = ended[-1.0]
    assert status == "FAILED"
    assert error is not None
    (line,) = error.strip().splitlines()
    assert line.startswith("sklearn.exceptions.FitFailedWarning: every fit of this candidate failed: ")
    assert "The 'C' parameter of Moody must be a float in the range (0.0, inf]. Got -1.0 instead." in line


def test_candidates_are_listed_by_their_numbers(cancer, root):
    GridSearchCV(LogisticRegression(), {"C": np.logspace(-3, 0, 12).tolist()}, cv=2).fit(*cancer)
    reticent.flush(60)
    (search,) = reticent.search_runs("params.best_C != ''")
    expected = [f"GridSearchCV.candidate_{number}" for number in range(12)]
    assert [child.name for child in search.children()] == expected
    listed = tree(with_descendants([search]), None, chronological=True)
    assert [row.run.name for row in listed] == ["GridSearchCV", *expected]


def test_without_refit(cancer, root):
    GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2, refit=False).fit(*cancer)
    parent, children = family(root)
    assert set(parent.metrics) - PHASE == {"best_cv_score"}
    assert len(children) == 2


def test_cross_validation_is_one_run(cancer, root):
    scores = cross_val_score(LogisticRegression(), *cancer, cv=3)
    cross_validate(LogisticRegression(), *cancer, cv=2, scoring=["accuracy", "f1"], n_jobs=2)
    first, second = captured(root)
    (table,) = (root / "runs" / first.run_id / "artifacts").glob("cross_val_score.json")
    assert json.loads(table.read_text()) == [{"fold": f, "test_score": s} for f, s in enumerate(scores.tolist())]
    (table,) = (root / "runs" / second.run_id / "artifacts").glob("cross_validate.json")
    assert [set(row) for row in json.loads(table.read_text())] == [
        {"fold", "fit_time", "score_time", "test_accuracy", "test_f1"}
    ] * 2
    assert second.params["cross_validate__cv"] == "2"
    assert [value for _, value in first.metrics["test_score"]] == scores.tolist()
    assert first.metrics["mean_test_score"][0][1] == scores.mean()
    for run, folds in ((first, 3), (second, 2)):
        (_, seconds), (_, speed) = run.metrics["fit_seconds"][0], run.metrics["fit_samples_per_second"][0]
        assert seconds * speed == pytest.approx(len(cancer[0]) * folds)
    assert first.tags["evaluation"] == "cross_val_score"
    assert len(second.metrics["test_f1"]) == 2
    assert first.params["C"] == "1.0"


def test_curves_of_many_fits_are_one_run(cancer, root):
    learning_curve(LogisticRegression(), *cancer, cv=2, train_sizes=[0.3, 1.0])
    validation_curve(LogisticRegression(), *cancer, param_name="C", param_range=[0.1, 1.0], cv=2)
    learning, validation = captured(root)
    assert [step for step, _ in learning.metrics["mean_test_score"]] == [85, 284]
    assert len(validation.metrics["mean_train_score"]) == 2
    assert validation.params["param_name"] == "C"
    for run, name in ((learning, "learning_curve"), (validation, "validation_curve")):
        folds = json.loads((root / "runs" / run.run_id / "artifacts" / f"{name}.json").read_text())
        means = [sum(scores) / len(scores) for scores in folds["test_score"]]
        assert means == pytest.approx([value for _, value in run.metrics["mean_test_score"]])


def test_the_other_functions_that_fit_many_times(cancer, root):
    predicted = cross_val_predict(LogisticRegression(), *cancer, cv=2)
    score, scores, pvalue = permutation_test_score(LogisticRegression(), *cancer, cv=2, n_permutations=4)
    assert len(predicted) == len(cancer[1])
    predictions, permutations = captured(root)
    assert predictions.tags["evaluation"] == "cross_val_predict"
    assert permutations.metrics["test_score"][0][1] == score
    assert permutations.metrics["pvalue"][0][1] == pvalue
    table = root / "runs" / permutations.run_id / "artifacts/permutation_test_score.json"
    assert json.loads(table.read_text()) == {"permutation_scores": scores.tolist()}
