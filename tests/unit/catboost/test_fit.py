"""What is captured of the fit of CatBoost's estimators."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import catboost
import numpy as np
import pytest
import yaml
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import reticent
from reticent.models import load_model
from reticent.testing import Captured, captured

from .conftest import NAMES, QUIET, classifier, make_data, points

OnlyRun = Callable[[], Captured]


def origins(root: Path) -> dict[str, str]:
    reticent.flush(60)
    with sqlite3.connect(root / "reticent.db") as database:
        return dict(database.execute("SELECT key, origin FROM param"))


def test_params_by_the_users_names_and_where_they_come_from(root: Path, only_run: OnlyRun) -> None:
    model = catboost.CatBoostClassifier(n_estimators=4, max_depth=3, reg_lambda=5, **QUIET)
    model.fit(*make_data(), eval_set=make_data(seed=1), early_stopping_rounds=2)
    params, origin = only_run().params, origins(root)
    explicit = {"n_estimators": "4", "max_depth": "3", "reg_lambda": "5", "early_stopping_rounds": "2"}
    assert {name: params[name] for name in explicit} == explicit
    assert {name for name, where in origin.items() if where == "explicit"} == {*explicit, *QUIET}
    assert not {"iterations", "depth", "l2_leaf_reg", "od_wait"} & params.keys(), "the same again by CatBoost's names"
    assert float(params["learning_rate"]) == pytest.approx(model.learning_rate_)
    chosen = {"learning_rate", "loss_function", "class_names", "bootstrap_type", "od_type", "use_best_model"}
    assert {origin[name] for name in chosen} == {"derived"}
    assert (params["loss_function"], params["random_seed"], origin["random_seed"]) == ("Logloss", "0", "default")


def test_what_a_constructor_says_by_itself_is_a_default(root: Path) -> None:
    catboost.CatBoostRegressor(iterations=2, **QUIET).fit(*make_data())
    found = origins(root)
    assert (found["loss_function"], found["iterations"]) == ("default", "explicit")


def test_metrics_are_those_of_catboost(only_run: OnlyRun) -> None:
    model = classifier(eval_metric="AUC", custom_metric=["Accuracy"])
    model.fit(*make_data(), eval_set=[make_data(seed=1), make_data(seed=2)])
    run = only_run()
    told = {f"{data}-{name}": values for data, found in model.evals_result_.items() for name, values in found.items()}
    assert told.keys() == {"learn-Logloss", "learn-Accuracy"} | {
        f"validation_{number}-{metric}" for number in (0, 1) for metric in ("AUC", "Logloss", "Accuracy")
    }
    assert {name: run.metrics[name] for name in told} == {name: points(values) for name, values in told.items()}
    best = {f"best_{data}-{name}": value for data, found in model.best_score_.items() for name, value in found.items()}
    assert {name: run.metrics[name] for name in best} == {name: [(0, value)] for name, value in best.items()}
    assert run.metrics["best_iteration"] == [(0, model.best_iteration_)]
    assert run.metrics["tree_count"] == [(0, model.tree_count_)]
    assert run.metrics["fit_samples_per_second"][0][1] == pytest.approx(80 * 6 / run.metrics["fit_seconds"][0][1])


@pytest.mark.parametrize("options", [{}, {"callback_iterations": 1}], ids=["by callback", "after the fit"])
def test_metrics_of_some_iterations_only(options: dict[str, Any], only_run: OnlyRun) -> None:
    reticent.autolog(sklearn=False, catboost=options)
    model = classifier(iterations=12, metric_period=5).fit(*make_data(), eval_set=make_data(seed=1))
    values = model.evals_result_["validation"]["Logloss"]
    assert only_run().metrics["validation-Logloss"] == points(values, [0, 5, 10, 11])


@pytest.mark.filterwarnings("ignore:Overfitting detector is active")
@pytest.mark.parametrize("options", [{}, {"callback_iterations": 1}], ids=["by callback", "after the fit"])
def test_the_metric_that_decides_is_computed_in_each_iteration(options: dict[str, Any], only_run: OnlyRun) -> None:
    reticent.autolog(sklearn=False, catboost=options)
    model = classifier(iterations=60, metric_period=5, eval_metric="AUC", learning_rate=0.9)
    model.fit(*make_data(), eval_set=make_data(seed=1), early_stopping_rounds=4)
    evals, run = model.evals_result_["validation"], only_run()
    assert len(evals["AUC"]) < 60
    assert run.metrics["validation-AUC"] == points(evals["AUC"])
    assert run.metrics["validation-Logloss"] == points(evals["Logloss"], range(0, len(evals["AUC"]), 5))
    assert run.metrics["stopped_step"][0][1] == len(evals["AUC"]) - 1


def test_every_other_step_and_the_last_one(root: Path, only_run: OnlyRun) -> None:
    reticent.autolog(sklearn=False, every_n_steps=2)
    classifier().fit(*make_data())
    assert [step for step, _ in only_run().metrics["learn-Logloss"]] == [0, 2, 4, 5]


def test_early_stopping(only_run: OnlyRun) -> None:
    model = classifier(iterations=90, learning_rate=0.9)
    model.fit(*make_data(), eval_set=[make_data(seed=1), make_data(seed=2)], early_stopping_rounds=4)
    run, values = only_run(), model.evals_result_["validation_1"]["Logloss"]
    best = int(np.argmin(values))
    assert len(values) == best + 5
    assert run.metrics["best_step"] == [(len(values) - 1, best)]
    assert run.metrics["stopped_step"] == run.metrics["stopped_iteration"] == [(len(values) - 1, len(values) - 1)]
    assert run.metrics["best_score"] == [(len(values) - 1, min(values))]
    assert run.tags["early_stopping_monitor"] == "validation_1-Logloss"
    assert run.tags["early_stopping_patience"] == "4"
    assert run.tags["early_stopping_reason"] == "no improvement"


def test_early_stopping_that_did_not_stop(only_run: OnlyRun) -> None:
    classifier(iterations=5, od_type="IncToDec", od_pval=0.001).fit(*make_data(), eval_set=make_data(seed=1))
    run = only_run()
    assert run.tags["early_stopping_reason"] == "all steps trained"
    assert "early_stopping_patience" not in run.tags
    assert run.metrics["stopped_step"] == [(4, 4)]


def test_no_early_stopping_without_data_to_evaluate_on(only_run: OnlyRun) -> None:
    classifier().fit(*make_data(), early_stopping_rounds=2)
    assert "early_stopping_monitor" not in only_run().tags


class Half:
    """A metric of the user's."""

    def is_max_optimal(self) -> bool:
        return True

    def evaluate(self, approxes: Any, target: Any, weight: Any) -> tuple[float, float]:
        return 0.5 * len(target), float(len(target))

    def get_final_error(self, error: float, weight: float) -> float:
        return error / weight


@pytest.mark.filterwarnings("ignore:Can't optimze method")
@pytest.mark.filterwarnings("ignore:Failed to import numba")
def test_a_metric_of_the_users(only_run: OnlyRun) -> None:
    classifier(eval_metric=Half()).fit(*make_data(), eval_set=make_data(seed=1), early_stopping_rounds=3)
    run = only_run()
    assert run.tags["early_stopping_monitor"] == "validation-Half"
    assert run.metrics["best_score"] == [(3, 0.5)]
    assert "0x" not in run.params["eval_metric"]


class Watching:
    def __init__(self, stop_at: int | None = None) -> None:
        self.seen: list[int] = []
        self.stop_at = stop_at

    def after_iteration(self, info: Any) -> bool:
        self.seen.append(info.iteration)
        return info.iteration != self.stop_at


def test_the_users_callbacks_see_all_and_may_end_the_training(only_run: OnlyRun) -> None:
    watching = Watching(stop_at=3)
    callbacks = [watching]
    model = classifier().fit(*make_data(), callbacks=callbacks)
    assert callbacks == [watching]
    assert watching.seen == [1, 2, 3]
    assert only_run().metrics["learn-Logloss"] == points(model.evals_result_["learn"]["Logloss"])


def test_metrics_of_a_training_that_fails(root: Path) -> None:
    class Failing(Watching):
        def after_iteration(self, info: Any) -> bool:
            assert info.iteration < 4, "no more"
            return True

    with pytest.raises(catboost.CatBoostError, match="no more"):
        classifier().fit(*make_data(), callbacks=[Failing()])
    (run,) = captured(root)
    assert run.status == "FAILED"
    assert [step for step, _ in run.metrics["learn-Logloss"]] == [0, 1, 2, 3]
    assert "fit_seconds" in run.metrics


def test_callbacks_that_can_be_read_once_are_left_alone(only_run: OnlyRun) -> None:
    model = classifier().fit(*make_data(), callbacks=iter([Watching()]))
    assert only_run().metrics["learn-Logloss"] == points(model.evals_result_["learn"]["Logloss"])


def test_on_gpu_no_callback_is_given(root: Path) -> None:
    """CatBoost refuses any there; without a GPU it says something else."""
    try:
        classifier(task_type="GPU", devices="0").fit(*make_data())
    except catboost.CatBoostError as error:
        assert "callbacks" not in str(error)  # noqa: PT017 - with a GPU there is no error
    (run,) = captured(root)
    assert run.params["task_type"] == "GPU"


def test_importances_model_and_example(root: Path, only_run: OnlyRun) -> None:
    X, y = make_data()
    model = classifier().fit(X, y)
    run = only_run()
    artifacts = root / "runs" / run.run_id / "artifacts"
    told = json.loads((artifacts / "feature_importance_PredictionValuesChange.json").read_text())
    assert told == dict(zip(NAMES, model.feature_importances_.tolist(), strict=True))
    assert "feature_importance_PredictionValuesChange.png" in run.artifacts
    loaded = load_model(artifacts / "model")
    assert isinstance(loaded, catboost.CatBoostClassifier)
    assert loaded.predict_proba(X).tobytes() == model.predict_proba(X).tobytes()
    example = json.loads((artifacts / "model" / "input_example.json").read_text())
    assert example["columns"] == NAMES
    assert np.allclose(example["data"], X[:5])
    signature = yaml.safe_load((artifacts / "model" / "MLmodel").read_text())["signature"]
    assert [column["name"] for column in json.loads(signature["inputs"])] == NAMES
    assert json.loads(signature["outputs"])[0]["type"] == "tensor"


def test_pools_are_described_without_reading_them(root: Path, only_run: OnlyRun) -> None:
    X, y = make_data()
    data = catboost.Pool(X, y)
    catboost.train(data, {"loss_function": "Logloss", "iterations": 3, **QUIET}, eval_set=[data])
    run = only_run()
    assert run.datasets == [("train", "train"), ("validation", "eval")]
    assert run.params["iterations"] == "3"
    reticent.flush(60)
    with sqlite3.connect(root / "reticent.db") as database:
        schema, profile = map(json.loads, database.execute("SELECT schema, profile FROM dataset").fetchone())
    assert schema["features"]["shape"] == [80, 4]
    assert [column["name"] for column in schema["features"]["columns"]] == NAMES
    assert profile == {"features": {"rows": 80, "columns": 4}}
    example = json.loads((root / "runs" / run.run_id / "artifacts" / "model" / "input_example.json").read_text())
    assert np.allclose(example["data"], X[:5])


def test_pools_with_other_labels_have_other_digests(root: Path) -> None:
    X, y = make_data()
    for labels in (y, y, 1 - y):
        classifier().fit(catboost.Pool(X, labels))
    reticent.flush(60)
    with sqlite3.connect(root / "reticent.db") as database:
        first, second, third = (digest for (digest,) in database.execute("SELECT digest FROM dataset"))
    assert first == second != third


def test_a_file_as_data(tmp_path: Path, root: Path, only_run: OnlyRun) -> None:
    X, y = make_data()
    file = tmp_path / "train.tsv"
    np.savetxt(file, np.column_stack([y, X]), delimiter="\t")
    classifier().fit(str(file))
    assert only_run().datasets == [("train", "train")]
    reticent.flush(60)
    with sqlite3.connect(root / "reticent.db") as database:
        assert database.execute("SELECT source FROM dataset").fetchone()[0].endswith("train.tsv")


def test_categories_and_rankers(root: Path) -> None:
    X, y = make_data()
    X = X.assign(city=["Oslo", "Rome"] * 40)
    catboost.CatBoostRanker(iterations=3, **QUIET).fit(
        catboost.Pool(X, y, group_id=np.arange(80) // 10, cat_features=["city"])
    )
    catboost.CatBoostRegressor(iterations=3, cat_features=["city"], **QUIET).fit(X, y)
    ranked, regressed = captured(root)
    assert (ranked.status, ranked.warnings, ranked.models) == ("FINISHED", [], ["model"])
    assert (regressed.status, regressed.warnings, regressed.models) == ("FINISHED", [], ["model"])
    assert ranked.params["loss_function"] == "YetiRank"
    assert "feature_importance_PredictionValuesChange.json" in ranked.artifacts


def test_inside_a_pipeline_it_joins(root: Path, only_run: OnlyRun) -> None:
    reticent.autolog()
    X, y = make_data()
    pipeline = make_pipeline(StandardScaler(), classifier())
    pipeline.fit(X, y, catboostclassifier__eval_set=(X, y))
    run = only_run()
    assert run.tags["estimator_name"] == "Pipeline"
    assert len(run.metrics["validation-Logloss"]) == 6
    assert ("validation", "eval") in run.datasets
    assert ("train", "train") not in run.datasets
    assert run.warnings == []


def test_inside_a_search_it_makes_no_runs_of_its_own(root: Path) -> None:
    reticent.autolog()
    search = GridSearchCV(classifier(iterations=2), {"depth": [1, 2]}, cv=2)
    search.fit(*make_data())
    found = captured(root)
    assert [run.parent_id is None for run in found].count(True) == 1
    assert len(found) == 3, "the search and its two candidates"


def test_a_subclass_with_a_fit_of_its_own(only_run: OnlyRun) -> None:
    class Mine(catboost.CatBoostClassifier):
        def fit(self, X: Any, y: Any) -> Mine:
            super().fit(X, y, verbose=False)
            return self

    Mine(iterations=3, **QUIET).fit(*make_data())
    run = only_run()
    assert len(run.metrics["learn-Logloss"]) == 3


def test_a_snapshot_is_kept_as_a_checkpoint(tmp_path: Path, only_run: OnlyRun) -> None:
    model = catboost.CatBoostClassifier(iterations=4, depth=2, verbose=False, thread_count=1, train_dir="info")
    model.fit(*make_data(), save_snapshot=True, snapshot_file="last.cbsnapshot")
    assert "checkpoints/step_3/last.cbsnapshot" in only_run().artifacts


def test_going_on_from_a_model(root: Path) -> None:
    first = classifier().fit(*make_data())
    classifier().fit(*make_data(), init_model=first)
    assert [run.metrics["tree_count"][0][1] for run in captured(root)] == [6, 12]
    assert [step for step, _ in captured(root)[1].metrics["learn-Logloss"]] == list(range(6))
    assert captured(root)[1].params["init_model"] == "CatBoostClassifier"


@pytest.mark.parametrize("callbacks", [None, []])
def test_a_model_says_the_same_of_itself_as_without_autologging(callbacks: Any) -> None:
    told = []
    for _ in range(2):
        model = classifier().fit(*make_data(), eval_set=make_data(seed=1), callbacks=callbacks)
        told.append(model.get_metadata()["params"])
        reticent.autolog(disable=True)
    assert told[0] == told[1]
