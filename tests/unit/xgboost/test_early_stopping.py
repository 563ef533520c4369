"""Early stopping has one schema, however it was asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import xgboost
from xgboost.callback import EarlyStopping, TrainingCallback

from reticent.testing import Captured, captured

from .conftest import train

NUMBERS = ("best_step", "stopped_step", "best_score", "best_iteration", "stopped_iteration")
MANY = 60


def numbers(run: Captured) -> dict[str, float]:
    return {name: run.metrics[name][-1][1] for name in NUMBERS}


def expected(history: list[float], rounds: int) -> dict[str, float]:
    """What early stopping does, said in another way: AUC is to grow, and the first of equal scores is the best."""
    best = history.index(max(history))
    assert len(history) == best + rounds + 1 < MANY
    return {
        "best_step": best,
        "stopped_step": len(history) - 1,
        "best_score": history[best],
        "best_iteration": best,
        "stopped_iteration": len(history) - 1,
    }


@pytest.mark.parametrize(
    "asked",
    [
        {"early_stopping_rounds": 4},
        {"callbacks": lambda: [EarlyStopping(rounds=4)]},
        {"callbacks": lambda: [EarlyStopping(rounds=4, save_best=True)]},
        {"callbacks": lambda: [EarlyStopping(rounds=4, data_name="valid", metric_name="auc")]},
    ],
    ids=["argument", "callback", "callback that keeps the best", "callback that names its metric"],
)
def test_one_schema(root: Path, autolog: None, asked: dict[str, Any]) -> None:
    result: dict[str, Any] = {}
    asked = {name: value() if callable(value) else value for name, value in asked.items()}
    booster = train(MANY, evals_result=result, **asked)
    (run,) = captured(root)
    assert numbers(run) == expected(result["valid"]["auc"], 4)
    assert run.metrics["best_iteration"][-1][1] == booster.best_iteration
    assert run.tags["early_stopping_monitor"] == "valid-auc"
    assert run.tags["early_stopping_reason"] == "no improvement"
    assert run.params["early_stopping_rounds"] == "4"
    assert [value for _, value in run.metrics["valid-auc"]] == result["valid"]["auc"], "the last iteration is missing"
    assert run.warnings == []


@pytest.mark.parametrize("by_callback", [False, True])
def test_going_on_from_a_model(root: Path, autolog: None, by_callback: bool) -> None:
    first = train(3)
    result: dict[str, Any] = {}
    asked = {"callbacks": [EarlyStopping(rounds=4)]} if by_callback else {"early_stopping_rounds": 4}
    booster = train(MANY, evals_result=result, xgb_model=first, **asked)
    _, run = captured(root)
    own = expected(result["valid"]["auc"], 4)
    assert numbers(run) == {
        **own,
        "best_iteration": own["best_iteration"] + 3,
        "stopped_iteration": own["stopped_iteration"] + 3,
    }
    assert run.metrics["best_iteration"][-1][1] == booster.best_iteration


def test_a_metric_that_is_not_the_last(root: Path, autolog: None) -> None:
    train(MANY, callbacks=[EarlyStopping(rounds=2, data_name="train", metric_name="logloss")])
    (run,) = captured(root)
    assert run.tags["early_stopping_monitor"] == "train-logloss"
    assert run.tags["early_stopping_reason"] == "all steps trained"
    assert run.metrics["stopped_step"][-1][1] == MANY - 1


def test_another_callback_stops_first(root: Path, autolog: None) -> None:
    class Stop(TrainingCallback):
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            return epoch == 2

    train(MANY, callbacks=[EarlyStopping(rounds=30), Stop()])
    (run,) = captured(root)
    assert run.tags["early_stopping_reason"] == "stopped otherwise"
    assert run.metrics["stopped_step"] == [(2, 2.0)]
    assert len(run.metrics["valid-auc"]) == 3


def test_without_early_stopping_there_is_none(root: Path, autolog: None) -> None:
    earlier = train(MANY, early_stopping_rounds=3)
    assert earlier.attr("best_iteration") is not None
    train(2, xgb_model=earlier)
    _, run = captured(root)
    assert not set(NUMBERS) & set(run.metrics)
    assert not [tag for tag in run.tags if tag.startswith("early_stopping")]


def test_zero_rounds(root: Path, autolog: None) -> None:
    train(0, early_stopping_rounds=3)
    (run,) = captured(root)
    assert run.warnings == []
    assert not set(NUMBERS) & set(run.metrics)
    assert isinstance(train(0), xgboost.Booster)
