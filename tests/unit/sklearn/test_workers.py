"""Fits in worker processes, in an open run: each is a child of it, whatever started the process."""

from __future__ import annotations

import multiprocessing

import pytest
from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor
from sklearn.linear_model import LogisticRegression

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
