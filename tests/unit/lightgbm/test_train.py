"""What is captured of `lightgbm.train`."""

from __future__ import annotations

import copy
import json
import os
import pickle
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
import yaml

import reticent
from reticent.models import load_model
from reticent.patching import Capture
from reticent.testing import Captured, captured
from reticent_integrations.lightgbm.observer import MetricObserver
from reticent_integrations.lightgbm.options import LightGBMOptions

from .conftest import NAMES, PARAMS, make_data, make_rows, train

OnlyRun = Callable[[], Captured]


def rows_of(root: Path, sql: str) -> list[Any]:
    reticent.flush(60)
    with sqlite3.connect(root / "reticent.db") as database:
        return list(database.execute(sql))


def test_params_by_the_names_that_the_user_chose(root: Path, only_run: OnlyRun) -> None:
    train(params={**PARAMS, "eta": 0.2, "n_iter": 3, "password": "correct-horse-battery"}, keep_training_booster=True)
    run = only_run()
    assert run.tags["autologging"] == "lightgbm"
    assert run.params == {
        **{name: str(value) for name, value in PARAMS.items()},
        "eta": "0.2",
        "n_iter": "3",
        "password": "[REDACTED:key-password]",
        "num_boost_round": "6",
        "keep_training_booster": "True",
    }
    assert set(dict(rows_of(root, "SELECT key, origin FROM param")).values()) == {"explicit"}
    assert len(run.metrics["valid-auc"]) == 3


def test_arguments_that_were_left_out_are_defaults(root: Path, autolog: None) -> None:
    lightgbm.train(PARAMS | {"n_iter": 2}, make_data())
    origins = dict(rows_of(root, "SELECT key, origin FROM param"))
    assert {key for key in origins if origins[key] == "default"} == {"num_boost_round", "keep_training_booster"}


def test_metrics_of_every_iteration(only_run: OnlyRun) -> None:
    result: dict[str, dict[str, list[float]]] = {}
    train(callbacks=[lightgbm.record_evaluation(result)])
    expected = {
        f"{data}-{metric}": list(enumerate(values))
        for data, metrics in result.items()
        for metric, values in metrics.items()
    }
    assert sorted(expected) == ["train-auc", "train-binary_logloss", "valid-auc", "valid-binary_logloss"]
    metrics = only_run().metrics
    assert {key: metrics[key] for key in expected} == expected
    seconds, rate = metrics["fit_seconds"][0][1], metrics["fit_samples_per_second"][0][1]
    assert seconds * rate == pytest.approx(80 * 6), "rows, as often as they were gone through"


@pytest.mark.parametrize(
    ("params", "names"),
    [
        ({"objective": "multiclass", "num_class": 3, "metric": "multi_logloss"}, ["valid-multi_logloss"]),
        ({"objective": "lambdarank", "metric": "ndcg", "eval_at": [3, 5]}, ["valid-ndcg@3", "valid-ndcg@5"]),
    ],
)
def test_metrics_of_classes_and_ranks(only_run: OnlyRun, params: dict[str, Any], names: list[str]) -> None:
    X, _ = make_rows()
    y = np.arange(80) % 3
    ranks = params["objective"] == "lambdarank"
    data = lightgbm.Dataset(X, y, group=[20] * 4 if ranks else None)
    params = {"num_threads": 1, "verbose": -1, **params}
    lightgbm.train(params, data, 3, valid_sets=[data.create_valid(X, y, group=[20] * 4 if ranks else None)])
    metrics = only_run().metrics
    assert sorted(key.replace("valid_0", "valid") for key in metrics if "-" in key) == names
    assert {len(points) for key, points in metrics.items() if "-" in key} == {3}


def test_metrics_are_in_the_run_log_while_training_runs(root: Path, autolog: None) -> None:
    seen = []

    def look(env: Any) -> None:
        (run,) = captured(root)
        seen.append(len(run.metrics["valid-auc"]))

    train(3, callbacks=[look])
    assert seen == [1, 2, 3]


def test_every_nth_iteration_and_the_last_one(root: Path) -> None:
    reticent.autolog(sklearn=False, lightgbm={"every_n_steps": 4, "exclude": ["*-auc"]})
    train(10)
    (run,) = captured(root)
    assert [step for step, _ in run.metrics["valid-binary_logloss"]] == [0, 4, 8, 9]
    assert "valid-auc" not in run.metrics


DIES = """
import os, lightgbm, numpy, reticent

reticent.autolog()
X = numpy.random.default_rng(0).normal(size=(80, 4))
data = lightgbm.Dataset(X, X[:, 0] > 0)

def die(env):
    if env.iteration == 59:
        os.kill(os.getpid(), 9)

lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1}, data, 100, valid_sets=[data], callbacks=[die])
"""


def test_a_training_that_is_killed_keeps_all_its_points(root: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "RETICENT_DIR": str(tmp_path / "killed")}
    done = subprocess.run([sys.executable, "-c", DIES], env=environment, capture_output=True, timeout=120)
    assert done.returncode == -9, done.stderr.decode()
    (run,) = captured(tmp_path / "killed")
    assert [step for step, _ in run.metrics["training-binary_logloss"]] == list(range(60))
    assert run.params["objective"] == "binary"


def test_users_error_ends_the_run_as_failed_with_its_points(only_run: OnlyRun) -> None:
    def fail(env: Any) -> None:
        if env.iteration == 4:
            raise RuntimeError("out of luck")

    with pytest.raises(RuntimeError, match="out of luck"):
        train(10, callbacks=[fail])
    run = only_run()
    assert run.status == "FAILED"
    assert [step for step, _ in run.metrics["valid-auc"]] == [0, 1, 2, 3, 4]
    assert run.datasets == [("train", "train"), ("valid", "eval")]


def test_callbacks_of_the_user_are_left_as_they_are(autolog: None) -> None:
    called: list[str] = []

    def first(env: Any) -> None:
        called.append("first")

    def second(env: Any) -> None:
        called.append("second")

    callbacks = [first, second]
    train(1, callbacks=callbacks)
    assert callbacks == [first, second]
    assert called == ["first", "second"]
    assert (vars(first), vars(second)) == ({"order": -2}, {"order": -1}), "LightGBM's own, by the place from the end"


@pytest.mark.parametrize("kind", [tuple, set])
def test_callbacks_in_other_containers(only_run: OnlyRun, kind: Callable[[Any], Any]) -> None:
    result: dict[str, Any] = {}
    train(2, callbacks=kind([lightgbm.record_evaluation(result)]))
    assert [score for _, score in only_run().metrics["valid-auc"]] == result["valid"]["auc"]


def test_callbacks_from_an_iterator_are_refused_by_lightgbm(autolog: None) -> None:
    with pytest.raises(TypeError, match="has no len"):
        train(2, callbacks=iter([lightgbm.log_evaluation(0)]))


def test_evaluation_sets_from_an_iterator_and_alone(root: Path, autolog: None) -> None:
    data = make_data()
    train(2, valid_sets=iter([make_data(seed=1)]), valid_names=None)
    lightgbm.train(PARAMS, data, 2, valid_sets=make_data(seed=1, reference=data), valid_names="held_out")
    from_iterator, alone = captured(root)
    assert from_iterator.datasets == [("train", "train"), ("valid_0", "eval")]
    assert len(from_iterator.metrics["valid_0-auc"]) == 2
    assert alone.datasets == [("train", "train"), ("held_out", "eval")]
    assert len(alone.metrics["held_out-auc"]) == 2


def squared(predictions: Any, data: lightgbm.Dataset) -> Any:
    return predictions - data.get_label(), np.ones_like(predictions)


def off(predictions: Any, data: lightgbm.Dataset) -> tuple[str, float, bool]:
    return "off", float(np.abs(predictions - data.get_label()).mean()), False


def test_objective_and_metric_of_the_users(root: Path, only_run: OnlyRun) -> None:
    train(params={**PARAMS, "objective": squared, "metric": "None"}, feval=[off])
    run = only_run()
    assert run.params["objective"].endswith("test_train.squared")
    assert run.params["feval"].endswith("test_train.off']")
    assert "0x" not in json.dumps(run.params)
    assert len(run.metrics["valid-off"]) == 6


def test_going_on_from_a_model(root: Path, autolog: None, tmp_path: Path) -> None:
    train(3).save_model(tmp_path / "first.txt")
    train(2, init_model=tmp_path / "first.txt")
    train(2, init_model=lightgbm.Booster(model_file=tmp_path / "first.txt"))
    _, by_file, by_booster = captured(root)
    assert [step for step, _ in by_file.metrics["valid-auc"]] == [3, 4]
    assert by_file.metrics["valid-auc"] == by_booster.metrics["valid-auc"]
    assert by_file.params["init_model"] == str(tmp_path / "first.txt")
    assert "0x" not in by_booster.params["init_model"]


def test_importances(root: Path, only_run: OnlyRun) -> None:
    booster = train()
    run = only_run()
    kinds = ("gain", "split")
    assert sorted(path for path in run.artifacts if "/" not in path) == [
        f"feature_importance_{kind}.{ending}" for kind in kinds for ending in ("json", "png")
    ]
    files = root / "runs" / run.run_id / "artifacts"
    for kind in kinds:
        expected = dict(zip(NAMES, booster.feature_importance(kind).tolist(), strict=True))
        assert json.loads((files / f"feature_importance_{kind}.json").read_text()) == expected


def test_options(root: Path) -> None:
    reticent.autolog(sklearn=False, lightgbm={"importance_types": ["gain"], "log_examples": False})
    train()
    reticent.autolog(sklearn=False, lightgbm={"importance_types": [], "log_models": False, "log_datasets": False})
    train()
    some, none = captured(root)
    importances = [path for path in some.artifacts if "/" not in path]
    assert sorted(importances) == ["feature_importance_gain.json", "feature_importance_gain.png"]
    assert "model/input_example.json" not in some.artifacts
    assert (none.artifacts, none.models, none.datasets) == ([], [], [])


def test_model_predicts_the_same_when_loaded(only_run: OnlyRun) -> None:
    booster = train()
    run = only_run()
    loaded = load_model(f"runs:/{run.run_id}/model")
    X, _ = make_rows(seed=2)
    assert np.array_equal(loaded.predict(X), booster.predict(X))


def signature(root: Path, run: Captured) -> tuple[list[Any], list[Any]]:
    mlmodel = yaml.safe_load((root / "runs" / run.run_id / "artifacts" / "model" / "MLmodel").read_text())
    return json.loads(mlmodel["signature"]["inputs"]), json.loads(mlmodel["signature"]["outputs"])


def test_signature_and_example_of_a_frame(root: Path, only_run: OnlyRun) -> None:
    X, y = make_rows()
    frame = pd.DataFrame(X, columns=NAMES).assign(children=np.arange(80) % 3)
    lightgbm.train(PARAMS, lightgbm.Dataset(frame, y), 1)
    run = only_run()
    inputs, outputs = signature(root, run)
    assert [(column["name"], column["type"]) for column in inputs] == [
        *((name, "double") for name in NAMES),
        ("children", "long"),
    ]
    assert outputs[0]["tensor-spec"] == {"dtype": "float64", "shape": [-1]}
    example = json.loads((root / "runs" / run.run_id / "artifacts" / "model" / "input_example.json").read_text())
    assert example["columns"] == list(frame)
    assert example["data"] == frame.head().to_numpy(dtype=object).tolist()


def test_signature_of_what_lightgbm_has_read(root: Path, only_run: OnlyRun) -> None:
    data = make_data(params={"verbose": -1}).construct()
    lightgbm.train({**PARAMS, "objective": "multiclass", "num_class": 2, "metric": ""}, data, 1)
    inputs, outputs = signature(root, only_run())
    assert [(column["name"], column["type"]) for column in inputs] == [(name, "double") for name in NAMES]
    assert outputs[0]["tensor-spec"] == {"dtype": "float64", "shape": [-1, 2]}


def test_checkpoints(root: Path, only_run: OnlyRun, tmp_path: Path) -> None:
    result: dict[str, Any] = {}

    def save(env: Any) -> None:
        env.model.save_model(tmp_path / "booster.txt")

    train(6, callbacks=[save, lightgbm.record_evaluation(result)])
    run = only_run()
    best = int(np.argmin(result["valid"]["binary_logloss"]))
    assert run.tags["checkpoint_best"] == f"checkpoints/step_{best}/booster.txt"
    assert run.tags["checkpoint_last"] == "checkpoints/step_5/booster.txt"
    kept = root / "runs" / run.run_id / "artifacts" / "checkpoints"
    table = json.loads((kept / "checkpoints.json").read_text())
    assert {"path": run.tags["checkpoint_best"], "step": best, "monitor": "valid-binary_logloss"}.items() <= next(
        row for row in table if row["step"] == best
    ).items()
    assert lightgbm.Booster(model_file=kept / "step_5" / "booster.txt").num_trees() == 6


def test_copies_of_the_callback_do_nothing(root: Path) -> None:
    with reticent.start_run() as run:
        observer = MetricObserver(Capture(run, "", LightGBMOptions(), "lightgbm"))
        for copied in (pickle.loads(pickle.dumps(observer)), copy.deepcopy(observer), copy.copy(observer)):
            assert type(copied) is type(lightgbm.log_evaluation(0))
            train(1, callbacks=[copied])
    (found,) = captured(root)
    assert found.metrics == {}


def test_the_dask_interface_is_untouched(root: Path) -> None:
    import lightgbm.dask

    before = dict(vars(lightgbm.dask))
    estimators = [lightgbm.DaskLGBMClassifier, lightgbm.DaskLGBMRegressor, lightgbm.DaskLGBMRanker]
    methods = [dict(vars(estimator)) for estimator in estimators]
    reticent.autolog(sklearn=False)
    assert dict(vars(lightgbm.dask)) == before
    assert [dict(vars(estimator)) for estimator in estimators] == methods
