"""What is asked of an estimator after its fit: its score, and metrics of what it predicted."""

from __future__ import annotations

from collections.abc import Callable

import catboost
import numpy as np
import pytest
from sklearn import metrics

import reticent
from reticent.testing import Captured

from .conftest import QUIET, classifier, make_data

OnlyRun = Callable[[], Captured]


@pytest.fixture(autouse=True)
def with_scikit_learn(autolog: None) -> None:
    reticent.autolog()


def value(run: Captured, name: str) -> float:
    ((_, found),) = run.metrics[name]
    return found


def test_metrics_of_predictions_are_the_fits(only_run: OnlyRun) -> None:
    X, y = make_data()
    other, truth = make_data(seed=1)
    model = classifier().fit(X, y)
    of_training = metrics.accuracy_score(y, model.predict(X))
    accuracy = metrics.accuracy_score(truth, model.predict(data=other))
    area = metrics.roc_auc_score(truth, model.predict_proba(other)[:, 1])
    score = model.score(other, truth)
    run = only_run()
    assert value(run, "accuracy_score_training") == of_training
    assert value(run, "accuracy_score_eval") == accuracy
    assert value(run, "roc_auc_score_eval") == area
    assert value(run, "CatBoostClassifier_score_eval") == score
    assert run.datasets == [("train", "train"), ("eval", "eval")]
    assert run.warnings == []


def test_a_column_that_is_taken_anew_is_known_by_its_content(only_run: OnlyRun) -> None:
    X, y = make_data()
    model = catboost.CatBoostRegressor(iterations=3, **QUIET).fit(X, y)
    metrics.mean_squared_error(y.copy(), model.predict(X.copy()))
    assert "mean_squared_error_training" in only_run().metrics


def test_pools_and_strange_predictions(only_run: OnlyRun) -> None:
    X, y = make_data()
    pool = catboost.Pool(X, y)
    model = classifier().fit(pool)
    metrics.f1_score(y, model.predict(pool))
    model.score(pool)
    metrics.f1_score(y, np.zeros(len(y)))
    run = only_run()
    assert sum(name.startswith("f1_score") for name in run.metrics) == 1
    assert run.warnings == []


def test_an_evaluation_set_that_is_scored_later_is_one_data_set(only_run: OnlyRun) -> None:
    X, y = make_data()
    test, truth = make_data(seed=1)
    model = classifier().fit(X, y, eval_set=(test, truth))
    model.score(test, truth)
    metrics.accuracy_score(truth.copy(), model.predict(test.copy()))
    run = only_run()
    assert run.datasets == [("train", "train"), ("validation", "eval")]
    assert {"CatBoostClassifier_score_validation", "accuracy_score_validation"} <= run.metrics.keys()
    assert run.warnings == []


def test_pools_that_are_scored_later_are_known(only_run: OnlyRun) -> None:
    pools = [catboost.Pool(*make_data(seed=seed)) for seed in (0, 1, 2)]
    model = classifier().fit(pools[0], eval_set=pools[1:])
    model.score(pools[2])
    metrics.accuracy_score(pools[1].get_label(), model.predict(pools[1]))
    run = only_run()
    assert run.datasets == [("train", "train"), ("validation_0", "eval"), ("validation_1", "eval")]
    assert {"CatBoostClassifier_score_validation_1", "accuracy_score_validation_0"} <= run.metrics.keys()
    assert run.warnings == []
