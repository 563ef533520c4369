"""XGBoost's scikit-learn estimators: one run for the fit, whichever integrations are on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier, XGBRanker, XGBRegressor

import reticent
from reticent.models import find, load_model
from reticent.testing import captured
from reticent_integrations.xgboost.flavor import flavor


def fit(rounds: int = 4) -> XGBClassifier:
    chance = np.random.default_rng(0)
    X = chance.normal(size=(80, 4))
    y = (X[:, 0] + chance.normal(size=80) > 0).astype(int)
    model = XGBClassifier(n_estimators=rounds, eval_metric="auc", early_stopping_rounds=2, random_state=0, n_jobs=1)
    return model.fit(X, y, eval_set=[(X, y), (X[:30], 1 - y[:30])], verbose=False)


def test_iterations_join_the_estimators_run(root: Path) -> None:
    reticent.autolog()
    fit()
    (run,) = captured(root)
    assert run.status == "FINISHED"
    assert run.tags["autologging"] == "sklearn"
    assert [step for step, _ in run.metrics["validation_0-auc"]] == list(range(len(run.metrics["validation_1-auc"])))
    assert {"best_step", "stopped_step", "best_score"} <= set(run.metrics)
    assert run.tags["early_stopping_monitor"] == "validation_1-auc"
    assert "feature_importance_gain.json" in run.artifacts
    ((_, rate),), ((_, seconds),) = run.metrics["fit_samples_per_second"], run.metrics["fit_seconds"]
    assert rate * seconds == pytest.approx(80 * len(run.metrics["validation_0-auc"])), "as of the training alone"
    assert run.models == ["model"]
    assert run.params["n_estimators"] == "4"
    assert "num_boost_round" not in run.params
    assert run.warnings == []


def test_two_fits_in_one_run_are_kept_apart(root: Path) -> None:
    reticent.autolog()
    with reticent.start_run():
        fit(3)
        fit(4)
    (run,) = captured(root)
    assert run.warnings == []
    first, second = run.metrics["validation_0-auc"], run.metrics["fit_2.validation_0-auc"]
    assert [step for step, _ in first] == list(range(len(first)))
    assert [step for step, _ in second] == list(range(len(second)))
    assert {"feature_importance_gain.json", "fit_2.feature_importance_gain.json"} <= set(run.artifacts)


def test_alone_it_captures_the_training(root: Path) -> None:
    reticent.autolog(sklearn=False)
    fit()
    (run,) = captured(root)
    assert run.tags["autologging"] == "xgboost"
    assert run.params["num_boost_round"] == "4"
    assert run.models == ["model"]
    assert run.datasets == [("train", "train"), ("validation_1", "eval")]


@pytest.mark.parametrize("kind", [XGBClassifier, XGBRegressor])
@pytest.mark.parametrize("in_pipeline", [False, True])
def test_evaluation_sets_are_data_sets_of_the_run(root: Path, kind: type, in_pipeline: bool) -> None:
    reticent.autolog()
    X = np.random.default_rng(0).normal(size=(80, 4))
    y = (X[:, 0] > 0).astype(int)
    model, step = kind(n_estimators=2, n_jobs=1), ""
    if in_pipeline:
        model, step = make_pipeline(model), kind.__name__.lower() + "__"
    # The first one is the training data itself, which is not recorded twice.
    model.fit(X, y, **{f"{step}eval_set": [(X, y), (X[:30], y[:30]), (X[30:], y[30:])], f"{step}verbose": False})
    (run,) = captured(root)
    assert run.datasets == [("dataset", "train"), ("validation_1", "eval"), ("validation_2", "eval")]
    assert {"validation_0-" + name for name in ("logloss", "rmse")} & set(run.metrics)


@pytest.mark.parametrize("sklearn", [True, False])
def test_rankers(root: Path, sklearn: bool) -> None:
    reticent.autolog(**({} if sklearn else {"sklearn": False}))
    X = np.random.default_rng(0).normal(size=(80, 4))
    y, groups = np.arange(80) % 3, np.repeat(range(4), 20)
    model = XGBRanker(n_estimators=3, n_jobs=1, eval_metric="ndcg@5")
    model.fit(X, y, qid=groups, eval_set=[(X[:40], y[:40])], eval_qid=[groups[:40]], verbose=False)
    (run,) = captured(root)
    assert [step for step, _ in run.metrics["validation_0-ndcg@5"]] == [0, 1, 2]
    assert run.models == ["model"]
    assert run.warnings == []


def test_without_data_sets(root: Path) -> None:
    reticent.autolog(sklearn={"log_datasets": False}, xgboost={"log_datasets": False})
    fit()
    (run,) = captured(root)
    assert run.datasets == []


@pytest.mark.parametrize("subclassed", [False, True])
def test_flavor_keeps_the_estimator(root: Path, subclassed: bool) -> None:
    class Own(XGBClassifier):
        pass

    X = np.arange(40.0).reshape(10, 4)
    model = (Own if subclassed else XGBClassifier)(n_estimators=2, n_jobs=1).fit(X, [0, 1] * 5)
    assert find(model) is flavor
    with reticent.start_run() as run:
        run.log_model(model)
    captured(root)
    loaded = load_model(f"runs:/{run.run_id}/model")
    assert type(loaded) is XGBClassifier
    assert np.array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_flavor_loads_nothing_but_xgboost(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a class of XGBoost"):
        flavor.load(tmp_path, {"data": "model.ubj", "model_class": "subprocess.Popen"})


def halves() -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    chance = np.random.default_rng(0)
    X = chance.normal(size=(120, 4))
    y = (X[:, 0] + chance.normal(size=120) > 0).astype(int)
    return (X[:80], y[:80]), (X[80:], y[80:])


def test_an_evaluation_set_that_is_scored_later_is_one_data_set(root: Path) -> None:
    reticent.autolog()
    train, test = halves()
    model = XGBClassifier(n_estimators=4, n_jobs=1).fit(*train, eval_set=[train, test], verbose=False)
    score = model.score(*test)
    accuracy = accuracy_score(test[1].copy(), model.predict(test[0].copy()))
    model.score(*train)
    model.score(train[0][:40], train[1][:40])
    (run,) = captured(root)
    assert run.datasets == [("dataset", "train"), ("validation_1", "eval"), ("eval", "eval")]
    later = {name: points[0][1] for name, points in run.metrics.items() if "score" in name.partition("_")[2]}
    later = {name: value for name, value in later.items() if not name.startswith(("training_", "best_"))}
    assert later.keys() == {
        "XGBClassifier_score_validation_1",
        "accuracy_score_validation_1",
        "XGBClassifier_score_training",
        "XGBClassifier_score_eval",
    }
    assert (later["XGBClassifier_score_validation_1"], later["accuracy_score_validation_1"]) == (score, accuracy)
    assert run.warnings == []


def test_an_evaluation_set_of_a_pipelines_step_is_known_by_its_targets(root: Path) -> None:
    reticent.autolog()
    train, test = halves()
    scaled = StandardScaler().fit(train[0]).transform(test[0])
    model = make_pipeline(StandardScaler(), XGBClassifier(n_estimators=4, n_jobs=1))
    model.fit(*train, xgbclassifier__eval_set=[(scaled, test[1])], xgbclassifier__verbose=False)
    model.score(*test)
    (run,) = captured(root)
    assert run.datasets == [("dataset", "train"), ("validation_0", "eval")]
    assert "Pipeline_score_validation_0" in run.metrics


def test_an_evaluation_set_that_only_scikit_learns_integration_sees_is_logged_when_it_is_scored(root: Path) -> None:
    reticent.autolog(xgboost=False)
    train, test = halves()
    model = XGBClassifier(n_estimators=4, n_jobs=1).fit(*train, eval_set=(test,), verbose=False)
    model.score(*test)
    (run,) = captured(root)
    assert run.datasets == [("dataset", "train"), ("validation_0", "eval")]
