"""What is captured of `xgboost.train`."""

from __future__ import annotations

import copy
import json
import os
import pickle
import sqlite3
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xgboost
import yaml
from xgboost.callback import TrainingCallback, TrainingCheckPoint

import reticent
from reticent.models import load_model
from reticent.patching import Capture
from reticent.testing import Captured, captured
from reticent_integrations import importances
from reticent_integrations.xgboost import data
from reticent_integrations.xgboost.observer import observer_class
from reticent_integrations.xgboost.options import XGBoostOptions

from .conftest import NAMES, PARAMS, make_data, train

OnlyRun = Callable[[], Captured]


def origins(root: Path) -> dict[str, str]:
    reticent.flush(60)
    with sqlite3.connect(root / "reticent.db") as database:
        return dict(database.execute("SELECT key, origin FROM param"))


def test_params_of_booster_and_train(root: Path, only_run: OnlyRun) -> None:
    with pytest.warns(UserWarning, match="password"):  # XGBoost's, of a param that it does not know
        train(params={**PARAMS, "max_depth": 3, "password": "correct-horse-battery"})
    run = only_run()
    assert run.tags["autologging"] == "xgboost"
    assert run.params == {
        "objective": "binary:logistic",
        "eval_metric": "['logloss', 'auc']",
        "seed": "0",
        "nthread": "1",
        "max_depth": "3",
        "password": "[REDACTED:key-password]",
        "num_boost_round": "6",
        "verbose_eval": "False",
        "maximize": "None",
        "early_stopping_rounds": "None",
        "custom_metric": "None",
    }
    origin = origins(root)
    assert {key for key in origin if origin[key] == "default"} == {"maximize", "early_stopping_rounds", "custom_metric"}
    assert origin["max_depth"] == origin["num_boost_round"] == "explicit"


def test_metrics_of_every_iteration(only_run: OnlyRun) -> None:
    result: dict[str, dict[str, list[float]]] = {}
    train(evals_result=result)
    expected = {
        f"{data}-{metric}": list(enumerate(values))
        for data, metrics in result.items()
        for metric, values in metrics.items()
    }
    assert len(expected) == 4
    metrics = only_run().metrics
    assert {key: metrics[key] for key in expected} == expected
    seconds, rate = metrics["fit_seconds"][0][1], metrics["fit_samples_per_second"][0][1]
    assert seconds * rate == pytest.approx(80 * 6), "rows, as often as they were gone through"
    assert sorted(metrics.keys() - expected.keys()) == ["fit_samples_per_second", "fit_seconds", "peak_memory_mb"]


def test_metrics_are_in_the_run_log_while_training_runs(root: Path, autolog: None) -> None:
    seen = []

    class Look(TrainingCallback):
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            (run,) = captured(root)
            seen.append({key: len(points) for key, points in run.metrics.items()})
            return False

    train(3, callbacks=[Look()])
    assert [points["valid-auc"] for points in seen] == [1, 2, 3]


def test_a_training_that_dies_keeps_all_its_points(only_run: OnlyRun) -> None:
    class Fail(TrainingCallback):
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            if epoch == 4:
                raise RuntimeError("out of luck")
            return False

    with pytest.raises(RuntimeError, match="out of luck"):
        train(10, callbacks=[Fail()])
    run = only_run()
    assert run.status == "FAILED"
    assert [step for step, _ in run.metrics["valid-auc"]] == [0, 1, 2, 3, 4]
    assert run.params["num_boost_round"] == "10"
    assert run.datasets == [("train", "train"), ("valid", "eval")]


DIES = """
import os, numpy, reticent, xgboost

reticent.autolog()
X = numpy.random.default_rng(0).normal(size=(80, 4))
data = xgboost.DMatrix(X, X[:, 0] > 0)

class Die(xgboost.callback.TrainingCallback):
    def after_iteration(self, model, epoch, evals_log):
        if epoch == 59:
            os.kill(os.getpid(), 9)

xgboost.train({"objective": "binary:logistic", "nthread": 1}, data, 100, evals=[(data, "train")], callbacks=[Die()])
"""


def test_a_training_that_is_killed_keeps_all_its_points(root: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "RETICENT_DIR": str(tmp_path / "killed")}
    done = subprocess.run([sys.executable, "-c", DIES], env=environment, capture_output=True, timeout=120)
    assert done.returncode == -9, done.stderr.decode()
    (run,) = captured(tmp_path / "killed")
    assert [step for step, _ in run.metrics["train-logloss"]] == list(range(60))
    assert run.params["objective"] == "binary:logistic"


@pytest.mark.parametrize(
    ("params", "names"),
    [
        ({"objective": "multi:softprob", "num_class": 3}, ["valid-mlogloss"]),
        ({"objective": "rank:ndcg", "eval_metric": ["ndcg@3", "ndcg@5"]}, ["valid-ndcg@3", "valid-ndcg@5"]),
    ],
)
def test_metrics_of_classes_and_ranks(only_run: OnlyRun, params: dict[str, Any], names: list[str]) -> None:
    X = np.random.default_rng(0).normal(size=(80, 4))
    data = xgboost.DMatrix(X, np.arange(80) % 3)
    if "rank" in params["objective"]:
        data.set_group([20] * 4)
    xgboost.train({"nthread": 1, **params}, data, 3, evals=[(data, "valid")], verbose_eval=False)
    run = only_run()
    assert sorted(key for key in run.metrics if "-" in key) == names
    assert {len(run.metrics[name]) for name in names} == {3}
    assert (run.models, run.warnings) == (["model"], [])


def test_checkpoints(root: Path, only_run: OnlyRun, tmp_path: Path) -> None:
    result: dict[str, Any] = {}
    train(7, callbacks=[TrainingCheckPoint(tmp_path, "booster", interval=2)], evals_result=result)
    run = only_run()
    saved = sorted(path.name for path in tmp_path.glob("booster_*.ubj"))
    assert len(saved) == 3
    steps = [int(name.removesuffix(".ubj").partition("_")[2]) for name in saved]
    best = max(steps, key=lambda step: result["valid"]["auc"][step])
    assert run.tags["checkpoint_best"] == f"checkpoints/step_{best}/booster_{best}.ubj"
    assert run.tags["checkpoint_last"] == f"checkpoints/step_{steps[-1]}/booster_{steps[-1]}.ubj"
    files = root / "runs" / run.run_id / "artifacts"
    assert xgboost.Booster(model_file=files / run.tags["checkpoint_last"]).num_boosted_rounds() == steps[-1] + 1
    (entry,) = [
        row for row in json.loads((files / "checkpoints" / "checkpoints.json").read_text()) if row["step"] == best
    ]
    assert (entry["monitor"], entry["score"]) == ("valid-auc", result["valid"]["auc"][best])


def test_evals_by_position_and_from_an_iterator(only_run: OnlyRun) -> None:
    data = make_data()
    with pytest.warns(FutureWarning, match="as keyword args"):
        xgboost.train(PARAMS, data, 3, iter([(data, "train"), (make_data(seed=1), "valid")]), verbose_eval=False)
    run = only_run()
    assert sorted(key for key in run.metrics if "-" in key) == [
        "train-auc",
        "train-logloss",
        "valid-auc",
        "valid-logloss",
    ]
    assert run.datasets == [("train", "train"), ("valid", "eval")]


def test_no_warning_is_ours(autolog: None) -> None:
    def warned() -> list[tuple[str, str]]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            train(params={**PARAMS, "unknown": 1})
        return [(warning.filename, str(warning.message).partition("]")[2]) for warning in caught]

    captured_warnings = warned()
    reticent.autolog(disable=True)
    assert captured_warnings == warned() != []


def test_params_as_pairs(only_run: OnlyRun) -> None:
    train(params=[("eval_metric", "auc"), ("eval_metric", "error"), ("eta", 0.5), ("objective", "binary:logistic")])  # type: ignore[arg-type]
    run = only_run()
    assert (run.params["eval_metric"], run.params["eta"]) == ("['auc', 'error']", "0.5")
    assert "valid-error" in run.metrics


def test_importances(root: Path, only_run: OnlyRun) -> None:
    booster = train()
    run = only_run()
    kinds = ("cover", "gain", "total_cover", "total_gain", "weight")
    assert sorted(path for path in run.artifacts if "/" not in path) == [
        f"feature_importance_{kind}.{ending}" for kind in kinds for ending in ("json", "png")
    ]
    files = root / "runs" / run.run_id / "artifacts"
    for kind in kinds:
        assert json.loads((files / f"feature_importance_{kind}.json").read_text()) == booster.get_score(
            importance_type=kind
        )
        assert (files / f"feature_importance_{kind}.png").read_bytes().startswith(b"\x89PNG")


def test_charts_leave_pyplot_alone() -> None:
    from matplotlib._pylab_helpers import Gcf

    figures = list(Gcf.figs)
    names = ["a", "$b$", "指标", *(f"f{number}" for number in range(17))]
    bars = [{"name": name, "score": float(number - 3)} for number, name in enumerate(names)]
    drawn = importances.chart({"kind": "gain", "features": 50, "bars": bars})
    drawn.canvas.draw()
    pixels = np.asarray(drawn.canvas.buffer_rgba())
    assert len(np.unique(pixels.reshape(-1, 4), axis=0)) > 10
    assert list(Gcf.figs) == figures


def test_other_importances_and_none(root: Path) -> None:
    reticent.autolog(sklearn=False, xgboost={"importance_types": ["total_cover"]})
    train()
    reticent.autolog(sklearn=False, xgboost={"importance_types": [], "log_models": False, "log_datasets": False})
    train()
    with_cover, without = captured(root)
    assert "feature_importance_total_cover.json" in with_cover.artifacts
    assert (without.artifacts, without.models, without.datasets) == ([], [], [])


def test_linear_models_have_weights_only(only_run: OnlyRun) -> None:
    train(params={"booster": "gblinear", "objective": "multi:softprob", "num_class": 3})
    run = only_run()
    assert run.warnings == []
    assert [path for path in run.artifacts if "importance" in path] == ["feature_importance_weight.json"]


def test_model_predicts_the_same_when_loaded(only_run: OnlyRun) -> None:
    booster = train()
    run = only_run()
    loaded = load_model(f"runs:/{run.run_id}/model")
    assert isinstance(loaded, xgboost.Booster)
    assert np.array_equal(loaded.predict(make_data()), booster.predict(make_data()))


def test_signature_has_the_features(root: Path, only_run: OnlyRun) -> None:
    columns = {"age": [1, 2, 3, 4], "height": [0.5, 1.5, 2.5, 3.5], "smokes": [True, False] * 2}
    frame = pd.DataFrame({**columns, "city": pd.Categorical(["x", "y"] * 2)})
    xgboost.train({"nthread": 1}, xgboost.DMatrix(frame, [0, 1, 0, 1], enable_categorical=True), 1)
    mlmodel = yaml.safe_load((root / "runs" / only_run().run_id / "artifacts" / "model" / "MLmodel").read_text())
    inputs = json.loads(mlmodel["signature"]["inputs"])
    assert [(column["name"], column["type"]) for column in inputs] == [
        ("age", "long"),
        ("height", "double"),
        ("smokes", "boolean"),
        ("city", "any"),
    ]


@pytest.mark.parametrize("names", [None, NAMES])
def test_example_has_the_first_rows(root: Path, only_run: OnlyRun, names: list[str] | None) -> None:
    X = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    X[1, 2], X[2, 0] = np.nan, 0.0
    xgboost.train({"nthread": 1}, xgboost.DMatrix(X, np.arange(9), feature_names=names), 1)
    model = root / "runs" / only_run().run_id / "artifacts" / "model"
    example = json.loads((model / "input_example.json").read_text())
    rows = example["data"] if names else example
    assert np.array_equal(np.array(rows, dtype=np.float32), X[:5], equal_nan=True)
    assert example["columns"] == names if names else True


@pytest.mark.parametrize(
    ("params", "shape"),
    [
        ({"objective": "multi:softprob", "num_class": 3}, [-1, 3]),
        ({"objective": "multi:softmax", "num_class": 3}, [-1]),
        ({"objective": "reg:squarederror"}, [-1]),
        ({"objective": "binary:logistic", "booster": "dart"}, [-1]),
    ],
)
def test_signature_of_what_the_model_gives(
    root: Path, only_run: OnlyRun, params: dict[str, Any], shape: list[int]
) -> None:
    data = xgboost.DMatrix(np.arange(24.0).reshape(6, 4), [0, 1, 0, 1, 1, 0])
    booster = xgboost.train({"nthread": 1, **params}, data, 1)
    model = root / "runs" / only_run().run_id / "artifacts" / "model"
    (output,) = json.loads(yaml.safe_load((model / "MLmodel").read_text())["signature"]["outputs"])
    assert output["tensor-spec"] == {"dtype": "float32", "shape": shape}
    assert booster.predict(data).shape[1:] == tuple(shape[1:])


def test_without_an_example(root: Path) -> None:
    reticent.autolog(sklearn=False, xgboost={"log_examples": False})
    train()
    (run,) = captured(root)
    assert run.models == ["model"]
    assert "model/input_example.json" not in run.artifacts


def test_signature_without_names(root: Path, only_run: OnlyRun) -> None:
    xgboost.train({"nthread": 1}, xgboost.DMatrix(np.arange(12.0).reshape(4, 3), [0, 1, 0, 1]), 1)
    mlmodel = yaml.safe_load((root / "runs" / only_run().run_id / "artifacts" / "model" / "MLmodel").read_text())
    (tensor,) = json.loads(mlmodel["signature"]["inputs"])
    assert tensor["tensor-spec"] == {"dtype": "float32", "shape": [-1, 3]}


def test_data_is_known_by_a_digest(root: Path, autolog: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def digests() -> list[tuple[str, str]]:
        reticent.flush(60)
        with sqlite3.connect(root / "reticent.db") as database:
            return list(database.execute("SELECT name, digest FROM dataset ORDER BY time"))

    train(1)
    train(1)
    (_, first), (_, valid), (_, again), _ = digests()
    assert first == again != valid
    monkeypatch.setattr(data, "MAX_LABELS", 10)
    monkeypatch.setattr(xgboost.DMatrix, "get_label", None)  # must not be called: it copies all the labels
    train(1)
    assert len(digests()) == 6


@pytest.mark.parametrize("kind", [xgboost.QuantileDMatrix, xgboost.DMatrix])
def test_kinds_of_matrices(only_run: OnlyRun, kind: type) -> None:
    X = np.arange(40.0).reshape(10, 4)
    xgboost.train({"nthread": 1}, kind(X, X[:, 0]), 2)
    run = only_run()
    assert run.warnings == []
    assert run.datasets == [("train", "train")]
    assert run.models == ["model"]


def test_external_memory(only_run: OnlyRun, tmp_path: Path) -> None:
    class Batches(xgboost.DataIter):
        def __init__(self) -> None:
            super().__init__(cache_prefix=str(tmp_path / "cache"))
            self.left = 2

        def next(self, input_data: Any) -> bool:
            self.left -= 1
            if self.left >= 0:
                X = np.random.default_rng(self.left).normal(size=(50, 4))
                input_data(data=X, label=X[:, 0])
            return self.left >= 0

        def reset(self) -> None:
            self.left = 2

    xgboost.train({"nthread": 1}, xgboost.ExtMemQuantileDMatrix(Batches()), 2)
    run = only_run()
    assert (run.warnings, run.datasets, run.models) == ([], [("train", "train")], ["model"])


def test_a_part_that_fails_does_not_take_the_others_with_it(only_run: OnlyRun, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> Iterator[None]:
        raise OSError("no such thing")

    monkeypatch.setattr("reticent.guard.strict", False)
    monkeypatch.setattr(importances, "log", fail)
    monkeypatch.setattr(data, "log", fail)
    train()
    run = only_run()
    assert run.status == "FINISHED"
    assert len(run.warnings) == 2
    assert all("no such thing" in warning for warning in run.warnings)
    assert run.models == ["model"]
    assert len(run.metrics["train-auc"]) == 6


def test_copies_of_the_callback_do_nothing(root: Path) -> None:
    with reticent.start_run() as run:
        observer = observer_class()(Capture(run, "", XGBoostOptions(), "xgboost"))
        for copied in (pickle.loads(pickle.dumps(observer)), copy.deepcopy(observer), copy.copy(observer)):
            assert type(copied) is TrainingCallback
            assert copied.after_iteration(None, 0, {"train": {"auc": [0.5]}}) is False
    (found,) = captured(root)
    assert found.metrics == {}
