"""Searches and cross-validation: one run, and a child for each candidate."""

from __future__ import annotations

import csv
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
    cross_val_score,
    cross_validate,
    learning_curve,
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


def check(search: Any, root: Path) -> tuple[Captured, list[Captured]]:
    parent, children = family(root)
    assert parent.metrics["best_cv_score"][0][1] == search.best_score_
    assert parent.models == ["model", "best_estimator"]
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


def test_a_halving_search(cancer, root):
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401
    from sklearn.model_selection import HalvingGridSearchCV

    search = HalvingGridSearchCV(LogisticRegression(), {"C": [0.1, 1.0, 10.0]}, cv=2).fit(*cancer)
    _, children = check(search, root)
    assert len(children) == len(search.cv_results_["params"])


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
    assert [value for _, value in first.metrics["test_score"]] == scores.tolist()
    assert first.metrics["mean_test_score"][0][1] == scores.mean()
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
