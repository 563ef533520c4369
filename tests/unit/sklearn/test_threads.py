"""Which run a fit in a thread belongs to."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from joblib import Parallel, delayed, parallel_backend
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier, StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import parallel as sklearn_parallel

import reticent
from reticent.testing import captured

pytestmark = pytest.mark.usefixtures("autolog")

pair = [("tree", DecisionTreeClassifier(max_depth=2)), ("linear", LogisticRegression())]


@pytest.mark.parametrize(
    "estimator",
    [
        RandomForestClassifier(20, n_jobs=4),
        BaggingClassifier(LogisticRegression(), 12, n_jobs=4),
        VotingClassifier(pair, n_jobs=4),
        StackingClassifier(pair, n_jobs=4, cv=4),
        OneVsRestClassifier(LogisticRegression(), n_jobs=4),
    ],
    ids=lambda one: type(one).__name__,
)
def test_threads_of_a_fit_open_no_runs(estimator, cancer, root):
    with parallel_backend("threading"):
        estimator.fit(*cancer)
        estimator.predict(cancer[0])
    (run,) = captured(root)
    assert run.tags["estimator_name"] == type(estimator).__name__
    assert run.models == ["model"]


@pytest.mark.parametrize("backend", ["loky", "multiprocessing"])
def test_processes_of_a_fit_open_no_runs(backend, cancer, root):
    with parallel_backend(backend):
        BaggingClassifier(LogisticRegression(), 4, n_jobs=2).fit(*cancer)
        StackingClassifier(pair, n_jobs=2, cv=2).fit(*cancer)
    CalibratedClassifierCV(LogisticRegression(), cv=2, n_jobs=2).fit(*cancer)
    runs = captured(root)
    names = [run.tags["estimator_name"] for run in runs]
    assert names == ["BaggingClassifier", "StackingClassifier", "CalibratedClassifierCV"]
    assert all(run.status == "FINISHED" and run.models == ["model"] for run in runs)


@pytest.mark.parametrize("nested", [False, True])
def test_trials_of_a_study_are_runs_of_their_own(nested, cancer, root):
    """As with Optuna: a function is called for each trial, in threads."""

    def trial(c: int) -> float:
        if not nested:
            return LogisticRegression(C=c).fit(*cancer).score(*cancer)
        with reticent.start_run(f"trial {c}", parent_run_id=study.run_id if study else None):
            return LogisticRegression(C=c).fit(*cancer).score(*cancer)

    study = reticent.start_run("study") if nested else None
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(trial, range(1, 6)))
    if study:
        study.end()
    runs = [run for run in captured(root) if study is None or run.run_id != study.run_id]
    assert sorted(run.params["C"] for run in runs) == [str(c) for c in range(1, 6)]
    assert {run.parent_id for run in runs} == {study.run_id if study else None}
    assert all("LogisticRegression_score_training" in run.metrics and run.warnings == [] for run in runs)


def test_many_tasks_few_threads(cancer, root):
    """Most of the tasks are made in a thread of joblib's, when others are done."""
    grid = {"C": [10.0**power for power in range(-5, 5)]}
    with parallel_backend("threading"):
        GridSearchCV(LogisticRegression(), grid, cv=3, n_jobs=2, refit=False).fit(*cancer)
    runs = captured(root)
    assert len([run for run in runs if run.parent_id is None]) == 1
    assert len(runs) == 11


def test_eight_fits_in_four_threads(cancer, root):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda c: LogisticRegression(C=c).fit(*cancer), range(1, 9)))
    runs = captured(root)
    assert sorted(run.params["C"] for run in runs) == [str(c) for c in range(1, 9)]
    assert all(len(run.metrics) == 11 and run.status == "FINISHED" for run in runs)


def in_threads(job, count=2):
    """Have this done in several threads at a time."""
    ready = threading.Barrier(count)
    threads = [threading.Thread(target=lambda: (ready.wait(30), job())) for _ in range(count)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()


@pytest.mark.parametrize("own", [False, True])
def test_what_threads_do_is_part_of_the_run_of_the_main_one(own, cancer, root):
    """Not of each other's runs, which are open at the same time."""
    beside = threading.Barrier(2)

    def fit():
        if not own:
            LogisticRegression().fit(*cancer)
            return
        with reticent.start_run():
            beside.wait(30)
            LogisticRegression().fit(*cancer)
            beside.wait(30)

    with reticent.start_run(experiment="study") as around, reticent.start_run() as study:
        in_threads(fit)
    first, second, *runs = captured(root)
    assert (first.run_id, second.run_id) == (around.run_id, study.run_id)
    assert [run.parent_id for run in runs] == [study.run_id] * 2
    assert [(run.params["C"], run.warnings) for run in runs] == [("1.0", [])] * 2


def test_threads_know_nothing_of_another_threads_run_or_of_a_fit(cancer, root):
    class Around(LogisticRegression):
        def fit(self, X, y):
            in_threads(lambda: LogisticRegression().fit(X, y))
            return super().fit(X, y)

    def outer():
        with reticent.start_run():
            in_threads(lambda: LogisticRegression().fit(*cancer))

    Around().fit(*cancer)
    in_threads(outer, 1)
    runs = captured(root)
    assert len(runs) == 6
    assert {run.parent_id for run in runs} == {None}


@pytest.mark.parametrize("kind", ["joblib", "sklearn"])
def test_the_users_own_parallel_fits(kind, cancer, root):
    make, task = (Parallel, delayed) if kind == "joblib" else (sklearn_parallel.Parallel, sklearn_parallel.delayed)
    fits = (task(LogisticRegression(C=c).fit)(*cancer) for c in range(1, 9))
    make(4, backend="threading")(fits)
    assert sorted(run.params["C"] for run in captured(root)) == [str(c) for c in range(1, 9)]


def test_fits_one_after_the_other_in_scikit_learns_parallel(cancer, root):
    """In this thread, and yet as many runs as in others."""
    fits = (sklearn_parallel.delayed(LogisticRegression(C=c).fit)(*cancer) for c in range(1, 4))
    sklearn_parallel.Parallel(1)(fits)
    assert len(captured(root)) == 3


def test_two_fits_in_a_run_are_told_apart(cancer, root):
    with reticent.start_run():
        LogisticRegression().fit(*cancer)
        LogisticRegression(C=9.0).fit(*cancer)
    (run,) = captured(root)
    assert (run.params["C"], run.params["fit_2.C"]) == ("1.0", "9.0")
    assert "fit_2.training_score" in run.metrics
    assert set(run.models) == {"model", "fit_2.model"}
    assert run.warnings == []


def test_another_frameworks_training_is_part_of_the_fit(cancer, root):
    import xgboost

    split = {"eval_set": [cancer]}
    xgboost.XGBClassifier(n_estimators=3).fit(*cancer, **split)
    with parallel_backend("threading"):
        GridSearchCV(xgboost.XGBClassifier(n_estimators=2), {"max_depth": [1, 2]}, cv=2, n_jobs=2).fit(*cancer, **split)
    single, *others = captured(root)
    assert len(single.metrics["validation_0-logloss"]) == 3
    assert "training_score" in single.metrics
    (search,) = [run for run in others if run.parent_id is None]
    assert "validation_0-logloss" not in search.metrics, "the fits of a search are quiet"
    assert len(others) == 3
