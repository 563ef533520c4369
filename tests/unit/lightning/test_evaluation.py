"""What is validated, tested and predicted after a training belongs to its run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.callbacks import ModelCheckpoint

import reticent
from reticent.testing import Captured, captured

from .conftest import Module, make_loader, make_trainer


@pytest.fixture
def trained(autolog: Path) -> Any:
    trainer = make_trainer(max_epochs=2)
    trainer.fit(Module(), make_loader(), make_loader())
    return trainer


def test_a_test_after_the_fit_is_in_its_run(trained: Any, only_run: Callable[[], Captured]) -> None:
    (found,) = trained.test(trained.lightning_module, make_loader(24), verbose=False)
    run = only_run()
    assert run.metrics["test_loss"] == [(0, found["test_loss"])]
    assert len(run.metrics["test_seconds"]) == len(run.metrics["test_samples_per_second"]) == 1
    assert ("test", "test") in run.datasets
    assert run.tags["Mode"] == "training"


def test_another_trainer_tests_the_same_module(trained: Any, only_run: Callable[[], Captured]) -> None:
    make_trainer().test(trained.lightning_module, make_loader(), verbose=False)
    make_trainer().test(trained.lightning_module, make_loader(16), verbose=False)
    assert [step for step, _ in only_run().metrics["test_loss"]] == [0, 1]


def test_the_best_checkpoint_is_tested(autolog: Path, only_run: Callable[[], Captured], tmp_path: Path) -> None:
    trainer = make_trainer(enable_checkpointing=True, callbacks=[ModelCheckpoint(tmp_path / "own", monitor="val_loss")])
    trainer.fit(Module(), make_loader(), make_loader())
    (found,) = trainer.test(dataloaders=make_loader(), ckpt_path="best", verbose=False)
    assert only_run().metrics["test_loss"] == [(0, found["test_loss"])]


def test_a_validation_afterwards_is_no_epoch(trained: Any, only_run: Callable[[], Captured]) -> None:
    (found,) = trained.validate(trained.lightning_module, make_loader(16), verbose=False)
    metrics = only_run().metrics
    assert [step for step, _ in metrics["val_loss"]] == [0, 1]
    assert metrics["validate.val_loss"] == [(0, found["val_loss"])]
    assert len(metrics["validate_seconds"]) == 2
    assert len(metrics["validate.validate_seconds"]) == 1


def test_predictions_afterwards(trained: Any, only_run: Callable[[], Captured]) -> None:
    predicted = trained.predict(trained.lightning_module, make_loader(16))
    assert len(predicted) == 2
    run = only_run()
    assert len(run.metrics["predict_samples_per_second"]) == 1
    assert ("predict", "predict") in run.datasets


def test_a_test_in_another_run_of_the_users_is_in_that(trained: Any, autolog: Path) -> None:
    with reticent.start_run() as own:
        trained.test(trained.lightning_module, make_loader(), verbose=False)
    first, second = captured(autolog)
    assert second.run_id == own.run_id
    assert "test_loss" not in first.metrics
    assert len(second.metrics["test_loss"]) == 1


def test_fit_and_test_in_one_run_of_the_users(autolog: Path, only_run: Callable[[], Captured]) -> None:
    with reticent.start_run():
        for _ in range(2):
            trainer = make_trainer(max_epochs=1)
            trainer.fit(Module(), make_loader())
            trainer.test(trainer.lightning_module, make_loader(), verbose=False)
    metrics = only_run().metrics
    assert len(metrics["test_loss"]) == len(metrics["fit_2.test_loss"]) == 1


@pytest.mark.parametrize("name", ["validate", "test"])
def test_an_evaluation_alone_is_a_run(name: str, autolog: Path, only_run: Callable[[], Captured]) -> None:
    (found,) = getattr(make_trainer(), name)(Module(lr=0.3), make_loader(), verbose=False)
    run = only_run()
    assert run.status == "FINISHED"
    assert run.tags["Mode"] == name
    assert run.params["lr"] == "0.3"
    assert {key: run.metrics[key] for key in found} == {key: [(0, value)] for key, value in found.items()}
    assert run.models == []


def test_predictions_alone_are_none(autolog: Path) -> None:
    make_trainer().predict(Module(), make_loader())
    assert captured(autolog) == []


def test_a_failing_test_leaves_the_trainer_as_it_was(trained: Any, only_run: Callable[[], Captured]) -> None:
    class Failing(Module):
        def test_step(self, batch: Any) -> None:
            raise RuntimeError("of the user's")

    callbacks = list(trained.callbacks)
    trained.lightning_module.__class__ = Failing
    with pytest.raises(RuntimeError, match="of the user's"):
        trained.test(trained.lightning_module, make_loader(), verbose=False)
    assert trained.callbacks == callbacks
    assert only_run().status == "FINISHED"
