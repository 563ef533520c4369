"""Early stopping has one schema, however it was asked for."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import lightgbm
import pytest

from reticent.testing import Captured, captured

from .conftest import PARAMS, make_data, train

NUMBERS = ("best_step", "stopped_step", "best_score", "best_iteration", "stopped_iteration")
MANY = 60
AUC = {**PARAMS, "metric": "auc"}


def numbers(run: Captured) -> dict[str, float]:
    return {name: run.metrics[name][-1][1] for name in NUMBERS}


def expected(scores: list[float], rounds: int, first: int = 0) -> dict[str, float]:
    """What early stopping does, said in another way: AUC is to grow, and the first of equal scores is the best."""
    best = scores.index(max(scores))
    assert len(scores) == best + rounds + 1 < MANY
    return {
        "best_step": first + best,
        "stopped_step": first + len(scores) - 1,
        "best_score": scores[best],
        "best_iteration": first + best + 1,
        "stopped_iteration": first + len(scores),
    }


@pytest.mark.parametrize(
    ("asked", "by_callback"),
    [
        ({}, True),
        ({"early_stopping_round": 4}, False),
        ({"early_stopping_rounds": 4}, False),
        ({"n_iter_no_change": 4}, False),
    ],
    ids=["callback", "param", "alias", "another alias"],
)
def test_one_schema(root: Path, autolog: None, asked: dict[str, Any], by_callback: bool) -> None:
    result: dict[str, Any] = {}
    callbacks = [lightgbm.record_evaluation(result)]
    if by_callback:
        callbacks.append(lightgbm.early_stopping(4, verbose=False))
    booster = train(MANY, {**AUC, **asked}, callbacks=callbacks)
    (run,) = captured(root)
    assert numbers(run) == expected(result["valid"]["auc"], 4)
    assert run.metrics["best_iteration"][-1][1] == booster.best_iteration
    assert run.metrics["best_score"][-1][1] == booster.best_score["valid"]["auc"]
    assert run.tags["early_stopping_monitor"] == "valid-auc"
    assert run.tags["early_stopping_reason"] == "no improvement"
    assert run.tags["early_stopping_patience"] == "4"
    assert [value for _, value in run.metrics["valid-auc"]] == result["valid"]["auc"], "the last iteration is missing"
    assert [run.params[name] for name in asked or ["early_stopping_round"]] == ["4"]
    assert run.warnings == []


def test_a_callback_by_the_names_of_the_params(root: Path, autolog: None) -> None:
    train(3, callbacks=[lightgbm.early_stopping(9, first_metric_only=True, min_delta=0.5, verbose=False)])
    (run,) = captured(root)
    told = ("early_stopping_round", "first_metric_only", "early_stopping_min_delta")
    assert [run.params[name] for name in told] == ["9", "True", "0.5"]


def test_going_on_from_a_model(root: Path, autolog: None) -> None:
    first = train(3, AUC)
    result: dict[str, Any] = {}
    callbacks = [lightgbm.early_stopping(4, verbose=False), lightgbm.record_evaluation(result)]
    booster = train(MANY, AUC, init_model=first, callbacks=callbacks)
    _, run = captured(root)
    assert numbers(run) == expected(result["valid"]["auc"], 4, first=3)
    assert run.metrics["best_iteration"][-1][1] == booster.best_iteration


@pytest.mark.parametrize("metrics", [["auc", "binary_logloss"], ["binary_logloss", "auc"]])
@pytest.mark.parametrize("first_metric_only", [True, False])
@pytest.mark.parametrize(
    ("by_callback", "min_delta"),
    [(True, 0.0), (True, 0.02), (True, [0.05, 0.0]), (True, [0.0, 0.05]), (False, 0.0), (False, 0.02)],
)
def test_the_metric_that_decides(
    root: Path, autolog: None, metrics: list[str], first_metric_only: bool, by_callback: bool, min_delta: Any
) -> None:
    params = {**PARAMS, "metric": metrics, "learning_rate": 0.5}
    callbacks = []
    if by_callback:
        options = {"first_metric_only": first_metric_only, "min_delta": min_delta, "verbose": False}
        callbacks.append(lightgbm.early_stopping(3, **options))
    else:
        params |= {"early_stopping_round": 3, "first_metric_only": first_metric_only}
        params |= {"early_stopping_min_delta": min_delta}
    booster = train(MANY, params, callbacks=callbacks)
    (run,) = captured(root)
    data, _, metric = run.tags["early_stopping_monitor"].partition("-")
    assert data == "valid"
    assert metric == metrics[0] or not first_metric_only
    best, stopped = (int(run.metrics[name][-1][1]) for name in ("best_step", "stopped_step"))
    assert best == booster.best_iteration - 1 == stopped - 3
    assert run.metrics["best_score"][-1][1] == booster.best_score["valid"][metric]
    # The one that decided is one that has not got better since, by more than it was to.
    scores = [score if metric == "auc" else -score for _, score in run.metrics[f"valid-{metric}"]]
    delta = min_delta[metrics.index(metric)] if isinstance(min_delta, list) else min_delta
    assert max(scores[best:]) <= scores[best] + delta


def test_other_metrics_than_the_first_one_do_not_decide(root: Path, autolog: None) -> None:
    counted = itertools.count()

    def rising(predictions: Any, data: Any) -> tuple[str, float, bool]:
        return "rising", float(next(counted)), True

    def still(predictions: Any, data: Any) -> tuple[str, float, bool]:
        return "still", 1.0, True

    stop = lightgbm.early_stopping(3, first_metric_only=True, verbose=False)
    train(9, {**PARAMS, "metric": "None"}, feval=[rising, still], callbacks=[stop])
    (run,) = captured(root)
    assert run.tags["early_stopping_monitor"] == "valid-rising"
    assert run.tags["early_stopping_reason"] == "all steps trained"
    assert run.metrics["best_step"] == [(8, 8.0)]


def test_all_rounds(root: Path, autolog: None) -> None:
    train(5, AUC, callbacks=[lightgbm.early_stopping(50, verbose=False)])
    (run,) = captured(root)
    assert run.tags["early_stopping_reason"] == "all steps trained"
    assert run.metrics["stopped_step"] == [(4, 4.0)]


def test_another_callback_stops_first(root: Path, autolog: None) -> None:
    def stop(env: Any) -> None:
        if env.iteration == 2:
            raise lightgbm.EarlyStopException(1, env.evaluation_result_list)

    train(MANY, AUC, callbacks=[lightgbm.early_stopping(30, verbose=False), stop])
    (run,) = captured(root)
    assert run.tags["early_stopping_reason"] == "stopped otherwise"
    assert run.metrics["stopped_step"] == [(2, 2.0)]
    assert run.metrics["best_iteration"] == [(2, 2.0)]
    assert len(run.metrics["valid-auc"]) == 3


@pytest.mark.parametrize("asked", [{"boosting": "dart"}, {"early_stopping_round": 0}, {}])
def test_without_early_stopping_there_is_none(root: Path, autolog: None, asked: dict[str, Any]) -> None:
    callbacks = [lightgbm.early_stopping(2, verbose=False)] if "boosting" in asked else []
    train(5, {**PARAMS, **asked}, callbacks=callbacks)
    (run,) = captured(root)
    assert not set(NUMBERS) & set(run.metrics)
    assert not [tag for tag in run.tags if tag.startswith("early_stopping")]
    assert run.warnings == []


def test_training_data_alone_stops_nothing(root: Path, autolog: None) -> None:
    data = make_data()
    lightgbm.train(AUC, data, 5, valid_sets=[data], callbacks=[lightgbm.early_stopping(2, verbose=False)])
    (run,) = captured(root)
    assert not set(NUMBERS) & set(run.metrics)
    assert len(run.metrics["training-auc"]) == 5
