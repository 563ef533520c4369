"""LightGBM's scikit-learn estimators: one run for the fit, whichever integrations are on."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
from lightgbm import LGBMClassifier, LGBMRanker, LGBMRegressor
from sklearn.metrics import accuracy_score
from sklearn.pipeline import make_pipeline

import reticent
from reticent.testing import captured

from .conftest import make_rows

OPTIONS: dict[str, Any] = {"n_jobs": 1, "verbose": -1, "random_state": 0}


def fit(rounds: int = 4, **options: Any) -> LGBMClassifier:
    X, y = make_rows()
    model = LGBMClassifier(n_estimators=rounds, **OPTIONS)
    stop = lightgbm.early_stopping(2, verbose=False)
    sets = [(X, y), (X[:30], 1 - y[:30])]
    return model.fit(X, y, **{"eval_set": sets, "eval_metric": "auc", "callbacks": [stop], **options})


def test_iterations_join_the_estimators_run(root: Path) -> None:
    reticent.autolog()
    model = fit(30)
    (run,) = captured(root)
    assert run.status == "FINISHED"
    assert run.tags["autologging"] == "sklearn"
    for data, metrics in model.evals_result_.items():
        for metric, scores in metrics.items():
            assert run.metrics[f"{data}-{metric}"] == list(enumerate(scores))
    assert run.metrics["best_iteration"][-1][1] == model.best_iteration_
    assert run.metrics["best_step"][-1][1] == model.best_iteration_ - 1
    assert run.tags["early_stopping_monitor"] == "valid_1-auc"
    assert {"feature_importance_gain.json", "feature_importance_split.json"} <= set(run.artifacts)
    ((_, rate),), ((_, seconds),) = run.metrics["fit_samples_per_second"], run.metrics["fit_seconds"]
    assert rate * seconds == pytest.approx(80 * len(run.metrics["valid_1-auc"])), "as of the training alone"
    assert run.models == ["model"]
    assert run.datasets == [("dataset", "train"), ("valid_1", "eval")]
    assert run.params["n_estimators"] == "30"
    assert "num_boost_round" not in run.params
    assert run.warnings == []


def test_two_fits_in_one_run_are_kept_apart(root: Path) -> None:
    reticent.autolog()
    with reticent.start_run():
        fit(3)
        fit(4)
    (run,) = captured(root)
    assert run.warnings == []
    first, second = run.metrics["training-auc"], run.metrics["fit_2.training-auc"]
    assert [step for step, _ in first] == list(range(len(first)))
    assert [step for step, _ in second] == list(range(len(second)))
    assert {"feature_importance_gain.json", "fit_2.feature_importance_gain.json"} <= set(run.artifacts)


def test_alone_it_captures_the_training(root: Path) -> None:
    reticent.autolog(sklearn=False)
    fit(eval_names=["all", "some"])
    (run,) = captured(root)
    assert run.tags["autologging"] == "lightgbm"
    assert run.params["num_boost_round"] == "4"
    assert run.models == ["model"]
    assert run.datasets == [("train", "train"), ("some", "eval")]
    assert {"all-auc", "some-auc", "best_step", "fit_seconds"} <= set(run.metrics)
    assert run.warnings == []


@pytest.mark.parametrize("sklearn", [True, False])
@pytest.mark.parametrize(
    ("kind", "options", "metric"),
    [
        (LGBMClassifier, {}, "valid_0-multi_logloss"),
        (LGBMRegressor, {}, "valid_0-l2"),
        (LGBMRanker, {"group": [20] * 4, "eval_group": [[10] * 3], "eval_at": [3]}, "valid_0-ndcg@3"),
    ],
)
def test_every_kind(root: Path, kind: type, options: dict[str, Any], metric: str, sklearn: bool) -> None:
    reticent.autolog(**({} if sklearn else {"sklearn": False}))
    X, _ = make_rows()
    y = np.arange(80) % 3
    kind(n_estimators=3, **OPTIONS).fit(X, y, eval_set=[(X[:30], y[:30])], **options)
    (run,) = captured(root)
    assert [step for step, _ in run.metrics[metric]] == [0, 1, 2]
    assert run.models == ["model"]
    assert run.warnings == []


def test_in_a_pipeline(root: Path) -> None:
    reticent.autolog()
    X, y = make_rows()
    model = make_pipeline(LGBMRegressor(n_estimators=2, **OPTIONS))
    model.fit(X, y, lgbmregressor__eval_set=[(X[:30], y[:30])])
    (run,) = captured(root)
    assert len(run.metrics["valid_0-l2"]) == 2
    assert run.datasets == [("dataset", "train"), ("valid_0", "eval")]


def test_params_that_are_no_arguments_of_the_constructor(root: Path) -> None:
    reticent.autolog()
    X, y = make_rows()
    LGBMRegressor(n_estimators=2, extra_trees=True, **OPTIONS).fit(X, y)
    (run,) = captured(root)
    assert run.params["extra_trees"] == "True"
    assert "estimator.html" in run.artifacts
    assert run.warnings == []


def test_estimators_of_dask_are_left_alone(root: Path) -> None:
    class Own(lightgbm.DaskLGBMClassifier):
        pass

    X, y = make_rows()
    reticent.autolog()
    for kind in (lightgbm.DaskLGBMClassifier, Own):
        with pytest.raises(Exception, match=r"Dask|dask|client"):  # there is no cluster here
            kind(**OPTIONS).fit(X, y)
    assert captured(root) == []


@pytest.mark.filterwarnings("ignore:The argument 'eval_set' is deprecated")
@pytest.mark.parametrize("names", [None, ["eval"]])
def test_an_evaluation_set_that_is_scored_later_is_one_data_set(names: list[str] | None, root: Path) -> None:
    reticent.autolog()
    X, y = make_rows()
    test, truth = X[:30] + 0.1, 1 - y[:30]
    model = LGBMClassifier(n_estimators=4, **OPTIONS).fit(X, y, eval_set=[(test, truth)], eval_names=names)
    model.score(test, truth)
    accuracy_score(truth.copy(), model.predict(test.copy()))
    model.score(X[:20], y[:20])
    (run,) = captured(root)
    name, other = ("eval", "eval_2") if names else ("valid_0", "eval")
    assert run.datasets == [("dataset", "train"), (name, "eval"), (other, "eval")]
    expected = {f"LGBMClassifier_score_{name}", f"accuracy_score_{name}", f"LGBMClassifier_score_{other}"}
    assert expected <= run.metrics.keys()
    assert run.warnings == []


def test_evaluation_sets_by_their_newer_arguments(root: Path) -> None:
    if "eval_X" not in inspect.signature(LGBMClassifier.fit).parameters:
        pytest.skip("this LightGBM has no eval_X")
    reticent.autolog()
    X, y = make_rows()
    model = LGBMClassifier(n_estimators=4, **OPTIONS)
    model.fit(X, y, eval_X=(X[:30] + 0.1, X[:20] + 0.2), eval_y=(1 - y[:30], y[:20]))
    model.score(X[:20] + 0.2, y[:20])
    one = LGBMClassifier(n_estimators=4, **OPTIONS).fit(X, y, eval_X=X[:30] + 0.1, eval_y=y[:30])
    one.score(X[:30] + 0.1, y[:30])
    two, single = captured(root)
    assert two.datasets == [("dataset", "train"), ("valid_0", "eval"), ("valid_1", "eval")]
    assert "LGBMClassifier_score_valid_1" in two.metrics
    assert single.datasets == [("dataset", "train"), ("valid_0", "eval")]
    assert "LGBMClassifier_score_valid_0" in single.metrics
