"""Fits in worker processes, in an open run: each is a child of it, whatever started the process."""

from __future__ import annotations

import multiprocessing
import re

import pytest
from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

import reticent
from reticent.testing import captured

pytestmark = pytest.mark.usefixtures("autolog")


def fit(c, features, labels):
    reticent.autolog()  # a worker that was not forked does not know of it
    LogisticRegression(C=c).fit(features, labels)


@pytest.mark.parametrize("kind", ["fork", "loky"])
def test_fits_in_workers_are_children_of_the_open_run(kind, cancer, root):
    with reticent.start_run("all of them") as run:
        if kind == "fork":
            with multiprocessing.get_context("fork").Pool(2) as pool:
                pool.starmap(fit, [(c, *cancer) for c in (1, 2, 3, 4)])
                pool.close()
                pool.join()
        else:
            get_reusable_executor().shutdown(wait=True)  # workers of another test log under that one's root
            Parallel(n_jobs=2)(delayed(fit)(c, *cancer) for c in (1, 2, 3, 4))
    parent, *children = captured(root)
    assert parent.run_id == run.run_id
    assert (parent.params, parent.metrics) == ({}, {})
    assert sorted(child.params["C"] for child in children) == ["1", "2", "3", "4"]
    for child in children:
        assert (child.parent_id, child.status, child.warnings) == (run.run_id, "FINISHED", [])
        assert "training_score" in child.metrics


def fit_plainly(c, features, labels):
    return LogisticRegression(C=c).fit(features, labels)


@pytest.mark.parametrize("task", ["function", "method"])
@pytest.mark.parametrize("backend", ["loky", "multiprocessing"])
def test_tasks_of_joblib_take_autologging_along(backend, task, cancer, root):
    reticent.autolog(log_models=False)
    fits = [
        delayed(fit_plainly)(c, *cancer) if task == "function" else delayed(LogisticRegression(C=c).fit)(*cancer)
        for c in (1, 2, 3, 4)
    ]
    with reticent.start_run("all of them") as run:
        fitted = Parallel(n_jobs=2, backend=backend)(fits)
    assert [one.C for one in fitted] == [1, 2, 3, 4]
    parent, *children = captured(root)
    assert (parent.params, parent.metrics) == ({}, {})
    assert sorted(child.params["C"] for child in children) == ["1", "2", "3", "4"]
    for child in children:
        assert (child.parent_id, child.status, child.warnings) == (run.run_id, "FINISHED", [])
        assert "training_score" in child.metrics
        assert child.models == [], "the options go along"


def test_workers_capture_what_the_tasks_they_do_were_to_be_captured(cancer, root):
    """The same ones serve programs with and without autologging, and searches."""
    Parallel(n_jobs=2)(delayed(fit_plainly)(c, *cancer) for c in (1, 2))
    GridSearchCV(LogisticRegression(), {"C": [3, 4]}, cv=2, n_jobs=2).fit(*cancer)
    reticent.autolog(disable=True)
    Parallel(n_jobs=2)(delayed(fit_plainly)(c, *cancer) for c in (5, 6))
    reticent.autolog(include=["C"])
    Parallel(n_jobs=2)([delayed(fit_plainly)(c, *cancer) for c in (7, 8)])
    runs = captured(root)
    assert sorted(run.params["C"] for run in runs if run.parent_id is None and "C" in run.params) == [
        "1",
        "2",
        "7",
        "8",
    ]
    assert sorted(run.params["C"] for run in runs if run.parent_id is not None) == ["3", "4"]
    assert len(runs) == 7
    assert all(not run.metrics for run in runs if run.params.get("C") in ("7", "8"))


def test_what_threads_of_joblib_train_for_a_fit_is_part_of_it(cancer, root):
    class Several(LogisticRegression):
        def fit(self, X, y):
            Parallel(n_jobs=2, backend="threading")(delayed(LogisticRegression(C=c).fit)(X, y) for c in (5, 6))
            return super().fit(X, y)

    Several().fit(*cancer)
    (run,) = captured(root)
    assert run.params["C"] == "1.0"


@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "sequential"])
def test_an_error_of_a_task_is_the_users(backend, cancer, root, capfd):
    with pytest.raises(ValueError, match="inconsistent numbers"):
        Parallel(n_jobs=2, backend=backend)([delayed(fit_plainly)(1, cancer[0], cancer[1][:-1])] * 2)
    Parallel(n_jobs=2, backend=backend, verbose=50)([delayed(abs)(-1)] * 3)
    assert re.search("out of +3", "".join(capfd.readouterr()))
