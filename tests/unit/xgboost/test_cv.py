"""`xgboost.cv` is one run: every fold's scores, their mean and deviation, in every round."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from xgboost.callback import EarlyStopping

from reticent.testing import captured

from .conftest import PARAMS, make_data


@pytest.mark.parametrize("as_pandas", [True, False])
def test_folds_and_what_is_over_them(root: Path, autolog: None, as_pandas: bool) -> None:
    results: Any = xgboost.cv(PARAMS, make_data(), 5, nfold=3, as_pandas=as_pandas)
    (run,) = captured(root)
    assert (run.status, run.tags["autologging"], run.models, run.warnings) == ("FINISHED", "xgboost", [], [])
    for name in ("train-auc", "train-logloss", "test-auc", "test-logloss"):
        mean, deviation = ([value for _, value in run.metrics[f"{name}-{statistic}"]] for statistic in ("mean", "std"))
        assert (mean, deviation) == (list(results[f"{name}-mean"]), list(results[f"{name}-std"]))
        folds = [[value for _, value in run.metrics[f"fold_{fold}-{name}"]] for fold in range(3)]
        assert np.mean(folds, axis=0).tolist() == pytest.approx(mean)
        assert np.std(folds, axis=0).tolist() == pytest.approx(deviation)
    assert run.params["nfold"] == "3"
    assert run.params["eval_metric"] == "['logloss', 'auc']"
    assert run.datasets == [("train", "train")]
    assert "fit_seconds" in run.metrics
    text = (root / "runs" / run.run_id / "artifacts" / "cv_results.csv").read_text()
    table = list(csv.DictReader(text.splitlines()))
    assert [int(row.pop("round")) for row in table] == list(range(5))
    assert {name: [float(row[name]) for row in table] for name in table[0]} == {
        name: list(column) for name, column in results.items()
    }


@pytest.mark.parametrize("by_callback", [True, False])
def test_early_stopping(root: Path, autolog: None, by_callback: bool) -> None:
    asked: dict[str, Any] = {"callbacks": [EarlyStopping(rounds=3)]} if by_callback else {"early_stopping_rounds": 3}
    results = xgboost.cv(PARAMS, make_data(), 50, **asked)
    (run,) = captured(root)
    means = [value for _, value in run.metrics["test-auc-mean"]]
    best = means.index(max(means))
    assert run.tags["early_stopping_monitor"] == "test-auc-mean"
    assert run.tags["early_stopping_reason"] == "no improvement"
    numbers = {name: run.metrics[name][-1][1] for name in ("best_step", "stopped_step", "best_score", "best_iteration")}
    assert numbers == {"best_step": best, "stopped_step": best + 3, "best_score": means[best], "best_iteration": best}
    assert len(results) == best + 1


def test_folds_of_the_users(root: Path, autolog: None) -> None:
    rows = np.arange(80)
    xgboost.cv(PARAMS, make_data(), 2, folds=[(rows[:40], rows[40:]), (rows[40:], rows[:40])])
    (run,) = captured(root)
    assert sorted(name for name in run.metrics if name.startswith("fold_") and "test-auc" in name) == [
        "fold_0-test-auc",
        "fold_1-test-auc",
    ]
    assert run.warnings == []


def test_a_cv_that_fails_keeps_its_points(root: Path, autolog: None) -> None:
    def objective(predictions: Any, data: Any) -> Any:
        calls.append(len(predictions))
        if len(calls) > 3 * 3:
            raise RuntimeError("out of luck")
        return predictions - data.get_label(), np.ones_like(predictions)

    calls: list[int] = []
    with pytest.raises(RuntimeError, match="out of luck"):
        xgboost.cv({"eval_metric": "rmse", "nthread": 1}, make_data(), 9, nfold=3, obj=objective)
    (run,) = captured(root)
    assert run.status == "FAILED"
    assert len(run.metrics["test-rmse-mean"]) == len(run.metrics["fold_2-test-rmse"]) == 3
