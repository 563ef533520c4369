"""What is captured of `catboost.cv`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import catboost
import pytest

from reticent.testing import Captured

from .conftest import QUIET, make_data, points

PARAMS = {"loss_function": "Logloss", "eval_metric": "AUC", "depth": 2, "learning_rate": 0.9, **QUIET}


@pytest.mark.parametrize("form", [{}, {"as_pandas": False}, {"return_models": True}])
def test_means_and_deviations_of_each_iteration(
    form: dict[str, Any], only_run: Callable[[], Captured], root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    result = catboost.cv(catboost.Pool(*make_data()), PARAMS, num_boost_round=5, fold_count=3, **form)
    capfd.readouterr()  # CatBoost prints all the same
    table = result[0] if form.get("return_models") else result
    run = only_run()
    names = [name for name in table if name != "iterations"]
    assert "test-AUC-mean" in names
    assert "train-Logloss-std" in names
    assert {name: run.metrics[name] for name in names} == {name: points(list(table[name])) for name in names}
    best = list(table["test-AUC-mean"]).index(max(table["test-AUC-mean"]))
    assert run.metrics["best_iteration"] == [(0, best)]
    assert (run.params["num_boost_round"], run.params["fold_count"], run.params["eval_metric"]) == ("5", "3", "AUC")
    assert run.datasets == [("train", "train")]
    (_, seconds), (_, speed) = run.metrics["fit_seconds"][0], run.metrics["fit_samples_per_second"][0]
    assert seconds * speed == pytest.approx(len(make_data()[0]) * 5)
    rows = (root / "runs" / run.run_id / "artifacts" / "cv_results.csv").read_text().splitlines()
    assert rows[0].split(",") == ["round", *table]
    assert [float(row.split(",")[-1]) for row in rows[1:]] == list(table[names[-1]])


def test_early_stopping(only_run: Callable[[], Captured], capfd: pytest.CaptureFixture[str]) -> None:
    pool = catboost.Pool(*make_data())
    told = {**PARAMS, "eval_metric": "Logloss"}
    table = catboost.cv(pool, told, iterations=60, early_stopping_rounds=3)
    capfd.readouterr()
    run, values = only_run(), list(table["test-Logloss-mean"])
    assert len(values) < 60
    assert run.metrics["best_step"][0][1] == values.index(min(values))
    assert run.metrics["best_score"][0][1] == min(values)
    assert run.metrics["stopped_step"][0][1] == len(values) - 1
    assert run.tags["early_stopping_reason"] == "no improvement"
    assert run.tags["early_stopping_monitor"] == "test-Logloss-mean"


def test_folds_that_can_be_read_once(only_run: Callable[[], Captured], capfd: pytest.CaptureFixture[str]) -> None:
    folds = iter([(list(range(40)), list(range(40, 80))), (list(range(40, 80)), list(range(40)))])
    catboost.cv(catboost.Pool(*make_data()), PARAMS, iterations=3, folds=folds)
    capfd.readouterr()
    assert len(only_run().metrics["test-AUC-mean"]) == 3
