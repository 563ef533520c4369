"""Trainings that no callback observes: their metrics are in CatBoost's own log, and in the trained model."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import reticent
from reticent.testing import Captured, captured
from reticent_integrations.catboost.history import History
from reticent_integrations.catboost.training_log import _Lines

from .conftest import classifier, make_data, points

DIES = """
import os, time, reticent
reticent.autolog(sklearn=False)
import catboost, numpy
run = reticent.start_run()

class Slow:
    def is_max_optimal(self):
        return True
    def evaluate(self, approxes, target, weight):
        time.sleep(0.01)
        if run._log.metric_count() > 20:
            os._exit(3)
        return 1.0, 1.0
    def get_final_error(self, error, weight):
        return error

X = numpy.random.default_rng(0).normal(size=(50, 3))
model = catboost.CatBoostRegressor(iterations=3000, depth=2, eval_metric=Slow(), verbose=False, thread_count=1)
model.fit(X, X[:, 0])
"""

META = (
    b'{\n"meta":{"test_sets":["test","test1"],"test_metrics":[{"best_value":"Min","name":"RMSE"}],"learn_metrics":'
    b'[{"best_value":"Min","name":"RMSE"}],"learn_sets":["learn"]},\n"iterations":[\n'
)


def line(step: int, value: float, passed: float) -> bytes:
    told = (
        f'"learn":[{value}],"iteration":{step},"passed_time":{passed},"remaining_time":1,"test":[{value}],"test1":[9]'
    )
    return b"{" + told.encode() + b"}"


def test_metrics_are_logged_while_a_long_training_runs(root: Path, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", DIES], cwd=tmp_path, capture_output=True, timeout=120)
    assert done.returncode == 3, done.stderr
    (run,) = captured(root)
    steps = [step for step, _ in run.metrics["learn-Slow"]]
    assert steps == list(range(len(steps)))
    assert len(steps) > 10
    assert len(run.metrics["learn-RMSE"]) == len(steps)


@pytest.mark.parametrize("writes", [True, False])
def test_a_long_training_is_complete(writes: bool, root: Path, only_run: Callable[[], Captured]) -> None:
    model = classifier(iterations=150, allow_writing_files=writes).fit(*make_data(), eval_set=make_data(seed=1))
    told = model.evals_result_["validation"]["Logloss"]
    found = only_run().metrics["validation-Logloss"]
    assert [step for step, _ in found] == list(range(150))
    assert [value for _, value in found] == pytest.approx(told, rel=1e-9)
    assert Path("catboost_info").exists() is writes


@pytest.fixture
def history() -> History:
    logged: list[Any] = []

    class Capture:
        log_step = warn = staticmethod(lambda *given: logged.append(given))

    found = History(Capture())  # type: ignore[arg-type] # it notes what is logged
    found.logged = logged  # type: ignore[attr-defined]
    return found


def test_lines_are_read_as_they_come(tmp_path: Path, history: Any) -> None:
    path = tmp_path / "catboost_training.json"
    path.write_bytes(META + b"]}")
    lines = _Lines(path)
    assert lines.log_to(history)
    assert history.logged == []
    path.write_bytes(META + line(0, 0.5, 0.1) + b"\n]}")
    assert lines.log_to(history)
    path.write_bytes(META + line(0, 0.5, 0.1) + b",\n" + line(1, 0.25, 0.2)[:30])
    assert lines.log_to(history)
    path.write_bytes(META + line(0, 0.5, 0.1) + b",\n" + line(1, 0.25, 0.2) + b",\n" + line(2, 0.125, 0.3) + b"\n]}")
    assert lines.log_to(history)
    names = ["learn-RMSE", "validation_0-RMSE", "validation_1-RMSE"]
    assert [given for given in history.logged if "learn-RMSE" in given[0]] == [
        ({"learn-RMSE": value}, step) for step, value in enumerate([0.5, 0.25, 0.125])
    ]
    assert [next(iter(given[0])) for given in history.logged] == names * 3
    lines.close()


def test_a_log_that_another_training_writes_too_is_left(tmp_path: Path, history: Any) -> None:
    path = tmp_path / "catboost_training.json"
    path.write_bytes(META + line(0, 0.5, 0.1) + b",\n" + line(1, 0.4, 0.2) + b"\n]}")
    first, second = _Lines(path), _Lines(path)
    assert not second.log_to(history), "the first one has it"
    assert first.log_to(history)
    for others in (META, META + b"\0" * 400 + b"\n", META + (line(0, 0.5, 0.1) + b",\n") * 3 + b"\n]}"):
        path.write_bytes(others)
        assert not first.log_to(history)
    assert len(history.logged) == 6
    first.close()
    second.close()


def test_points_of_another_training_are_told(history: Any) -> None:
    history.log("learn-RMSE", 0, 0.5)
    history.complete({"learn": {"RMSE": [0.75, 0.5]}}, 1, 2)
    assert history.logged[1] == ({"learn-RMSE": 0.5}, 1)
    assert history.logged[2][0] == "training log"


def test_what_an_earlier_training_left_is_not_read(root: Path) -> None:
    reticent.autolog(sklearn=False, catboost={"callback_iterations": 1})
    for iterations in (5, 3):
        classifier(iterations=iterations, allow_writing_files=True).fit(*make_data())
    assert [len(run.metrics["learn-Logloss"]) for run in captured(root)] == [5, 3]
    assert [points([value for _, value in run.metrics["learn-Logloss"]]) for run in captured(root)] == [
        run.metrics["learn-Logloss"] for run in captured(root)
    ]
