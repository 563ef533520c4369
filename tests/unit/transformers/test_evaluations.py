"""What a Trainer is asked outside of a training is logged to the run of its last training."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.contract import tiny_trainers

import reticent
from reticent.testing import captured

from .conftest import MakeTrainer


def test_after_the_training_in_its_run(root: Path, make_trainer: MakeTrainer) -> None:
    trainer = make_trainer()
    trainer.train()
    metrics = trainer.evaluate()
    predicted = trainer.predict(tiny_trainers.Texts(4, seed=2))
    (run,) = captured(root)
    assert run.status == "FINISHED"
    assert [step for step, _ in run.metrics["eval_loss"]] == [3, 6, 6]
    assert run.metrics["eval_loss"][-1][1] == metrics["eval_loss"]
    assert run.metrics["test_loss"] == [(6, predicted.metrics["test_loss"])]
    assert {"validate_seconds", "predict_seconds", "validate_samples_per_second"} <= set(run.metrics)
    assert ("test", "test") in run.datasets
    assert run.warnings == []


def test_data_that_a_training_evaluates_itself_by_is_listed_once(root: Path, make_trainer: MakeTrainer) -> None:
    trainer = make_trainer()
    trainer.train()
    trainer.predict(trainer.eval_dataset)
    (run,) = captured(root)
    assert run.datasets == [("train", "train"), ("eval", "eval")]
    assert len(run.metrics["test_loss"]) == 1


def test_several_data_sets_by_name(root: Path, make_trainer: MakeTrainer) -> None:
    trainer = make_trainer()
    trainer.train()
    trainer.evaluate({"one": tiny_trainers.Texts(4, seed=3), "two": tiny_trainers.Texts(4, seed=4)})
    (run,) = captured(root)
    assert {"eval_one_loss", "eval_two_loss"} <= set(run.metrics)
    assert {("eval_one", "eval"), ("eval_two", "eval")} <= set(run.datasets)


def test_another_data_set_has_another_name(root: Path, make_trainer: MakeTrainer) -> None:
    trainer = make_trainer()
    trainer.train()
    other = tiny_trainers.Texts(4, seed=3)
    for dataset in (None, other, other):
        trainer.evaluate(dataset)
    (run,) = captured(root)
    assert run.datasets == [("train", "train"), ("eval", "eval"), ("eval_2", "eval")]


def test_of_a_second_training_in_a_run_under_its_names(root: Path, make_trainer: MakeTrainer) -> None:
    with reticent.start_run():
        make_trainer().train()
        second = make_trainer()
        second.train()
        second.evaluate()
    (run,) = captured(root)
    assert len(run.metrics["eval_loss"]) == 2
    assert len(run.metrics["fit_2.eval_loss"]) == 3


def test_in_the_run_that_the_user_has_opened_for_it(root: Path, make_trainer: MakeTrainer) -> None:
    trainer = make_trainer()
    trainer.train()
    with reticent.start_run():
        trainer.evaluate()
    trained, evaluated = captured(root)
    assert len(trained.metrics["eval_loss"]) == 2
    assert len(evaluated.metrics["eval_loss"]) == 1


def test_a_model_that_is_only_evaluated_has_a_run(root: Path, make_trainer: MakeTrainer) -> None:
    trainer = make_trainer()
    trainer.evaluate()
    trainer.predict(tiny_trainers.Texts(4))
    (run,) = captured(root)
    assert run.status == "FINISHED"
    assert run.params["model_type"] == "bert"
    assert {"eval_loss", "test_loss"} <= set(run.metrics)
    assert reticent.active_run() is None


def test_its_error_is_the_users_and_the_training_stays_finished(root: Path, make_trainer: MakeTrainer) -> None:
    trainer = make_trainer()
    trainer.train()
    before = list(trainer.callback_handler.callbacks)
    with pytest.raises(ValueError, match="of the user's"):
        trainer.predict(Broken())
    assert trainer.callback_handler.callbacks == before
    (run,) = captured(root)
    assert run.status == "FINISHED"


class Broken(tiny_trainers.Texts):
    def __getitem__(self, row: int) -> dict[str, object]:
        raise ValueError("of the user's")
