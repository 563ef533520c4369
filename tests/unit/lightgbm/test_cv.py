"""`lightgbm.cv` is one run: every fold's scores, their mean and deviation, in every round."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest

from reticent.testing import captured

from .conftest import PARAMS, make_data


def cv(rounds: int = 5, params: dict[str, Any] = PARAMS, **options: Any) -> dict[str, Any]:
    data = make_data(free_raw_data=False)
    return lightgbm.cv(params, data, rounds, **{"nfold": 3, "eval_train_metric": True, **options})


def test_folds_and_what_is_over_them(root: Path, autolog: None) -> None:
    results = cv(return_cvbooster=True)
    (run,) = captured(root)
    assert (run.status, run.tags["autologging"], run.models, run.warnings) == ("FINISHED", "lightgbm", [], [])
    names = [f"{data}-{metric}" for data in ("train", "valid") for metric in ("auc", "binary_logloss")]
    for name in names:
        mean, deviation = ([value for _, value in run.metrics[f"{name}-{statistic}"]] for statistic in ("mean", "std"))
        theirs = name.replace("-", " ", 1)
        assert (mean, deviation) == (results[f"{theirs}-mean"], results[f"{theirs}-stdv"])
        folds = [[value for _, value in run.metrics[f"fold_{fold}-{name}"]] for fold in range(3)]
        assert np.mean(folds, axis=0).tolist() == pytest.approx(mean)
        assert np.std(folds, axis=0).tolist() == pytest.approx(deviation)
    assert run.params["nfold"] == "3"
    assert run.params["stratified"] == "True"
    assert run.datasets == [("train", "train")]
    assert "fit_seconds" in run.metrics
    text = (root / "runs" / run.run_id / "artifacts" / "cv_results.csv").read_text()
    table = list(csv.DictReader(text.splitlines()))
    assert [int(row.pop("round")) for row in table] == list(range(5))
    assert {name: [float(row[name]) for row in table] for name in table[0]} == {
        name: column for name, column in results.items() if name != "cvbooster"
    }


@pytest.mark.parametrize("by_callback", [True, False])
def test_early_stopping(root: Path, autolog: None, by_callback: bool) -> None:
    callbacks = [lightgbm.early_stopping(3, verbose=False)] if by_callback else []
    params = PARAMS | {"metric": "auc"} | ({} if by_callback else {"early_stopping_round": 3})
    results = cv(50, params, callbacks=callbacks)
    (run,) = captured(root)
    means = [value for _, value in run.metrics["valid-auc-mean"]]
    best = means.index(max(means))
    assert run.tags["early_stopping_monitor"] == "valid-auc-mean"
    assert run.tags["early_stopping_reason"] == "no improvement"
    numbers = {name: run.metrics[name][-1][1] for name in ("best_step", "stopped_step", "best_score", "best_iteration")}
    assert numbers == {
        "best_step": best,
        "stopped_step": best + 3,
        "best_score": means[best],
        "best_iteration": len(results["valid auc-mean"]),
    }


def test_results_and_folds_of_the_users(root: Path, autolog: None) -> None:
    rows = np.arange(80)
    folds = [(rows[:40], rows[40:]), (rows[40:], rows[:40])]
    cv(2, folds=iter(folds))
    (run,) = captured(root)
    assert sorted(name for name in run.metrics if name.startswith("fold_") and "valid-auc" in name) == [
        "fold_0-valid-auc",
        "fold_1-valid-auc",
    ]
    assert "0x" not in run.params["folds"]
