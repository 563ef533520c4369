"""What is asked of nearest neighbours for the training metrics is not seen in what they are pickled as."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import VotingClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity, KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import reticent
from reticent.testing import captured

X = np.random.default_rng(0).normal(size=(120, 3))
Y = (X[:, 0] > 0).astype(int)


def in_a_pipeline() -> Any:
    return make_pipeline(StandardScaler(), KNeighborsClassifier(algorithm="kd_tree"))


MADE: dict[str, Callable[[], Any]] = {
    "KDTree": lambda: KNeighborsClassifier(algorithm="kd_tree"),
    "BallTree": lambda: KNeighborsRegressor(algorithm="ball_tree"),
    "density": KernelDensity,
    "pipeline": in_a_pipeline,
    "ensemble": lambda: VotingClassifier([("near", in_a_pipeline()), ("far", KNeighborsClassifier(30))]),
}


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is, the estimators are asked."""
    monkeypatch.setattr("reticent_integrations.sklearn.predictions.BEARABLE_S", 60.0)


@pytest.mark.parametrize("name", MADE)
def test_a_pickle_is_the_same_with_and_without(name: str, root: Path) -> None:
    reticent.autolog(disable=True)
    bare = pickle.dumps(MADE[name]().fit(X, Y))
    reticent.autolog()
    assert pickle.dumps(MADE[name]().fit(X, Y)) == bare
    (run,) = captured(root)
    assert "training_score" in run.metrics


def test_the_best_estimator_of_a_search_has_counted_nothing(root: Path) -> None:
    reticent.autolog()
    search = GridSearchCV(KNeighborsClassifier(algorithm="kd_tree"), {"n_neighbors": [3, 5]}, cv=2).fit(X, Y)
    assert search.best_estimator_._tree.get_n_calls() == 0
    search.predict(X[:20])  # what the user asks is counted
    assert search.best_estimator_._tree.get_n_calls() > 0
