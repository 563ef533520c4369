"""Metrics are there while training, each at the step that is its own."""

from __future__ import annotations

from collections.abc import Callable
from statistics import mean
from typing import Any

import lightning.pytorch as pl
import pytest

import reticent
from reticent.testing import Captured

from .conftest import OTHERS, Module, make_loader, make_trainer


def values(points: list[tuple[int, float]]) -> list[float]:
    return [value for _, value in points]


def steps(points: list[tuple[int, float]]) -> list[int]:
    return [step for step, _ in points]


def test_what_is_logged_in_each_step_has_a_point_for_each(only_run: Callable[[], Captured]) -> None:
    module = Module()
    make_trainer(max_epochs=2).fit(module, make_loader(), make_loader())
    metrics = only_run().metrics
    assert steps(metrics["train_loss"]) == list(range(1, 11))
    assert values(metrics["train_loss"]) == module.seen["train"]
    assert steps(metrics["val_loss"]) == [0, 1]
    assert values(metrics["val_loss"]) == pytest.approx([mean(module.seen["val"][:5]), mean(module.seen["val"][5:])])
    assert steps(metrics["learning_rate"]) == list(range(1, 11))


def test_of_steps_and_epochs_both(only_run: Callable[[], Captured]) -> None:
    module = Module()
    module.logging = {"on_step": True, "on_epoch": True, "prog_bar": True}
    make_trainer(max_epochs=2).fit(module, make_loader())
    metrics = only_run().metrics
    assert values(metrics["train_loss_step"]) == module.seen["train"]
    assert steps(metrics["train_loss"]) == steps(metrics["train_loss_epoch"]) == [0, 1]
    assert values(metrics["train_loss"]) == values(metrics["train_loss_epoch"])
    assert values(metrics["train_loss"]) == pytest.approx(
        [mean(module.seen["train"][:5]), mean(module.seen["train"][5:])]
    )


def test_every_n_steps_and_the_last_one(autolog: object, only_run: Callable[[], Captured]) -> None:
    reticent.autolog(lightning={"every_n_steps": 3}, **OTHERS)
    make_trainer(max_epochs=2).fit(Module(), make_loader(), make_loader())
    metrics = only_run().metrics
    assert steps(metrics["train_loss"]) == [3, 6, 9, 10]
    assert steps(metrics["val_loss"]) == [0, 1]


def test_steps_are_optimizer_steps_where_gradients_are_accumulated(only_run: Callable[[], Captured]) -> None:
    module = Module()
    make_trainer(max_epochs=1, accumulate_grad_batches=2).fit(module, make_loader())
    points = only_run().metrics["train_loss"]
    assert points == [(1, module.seen["train"][1]), (2, module.seen["train"][3]), (3, module.seen["train"][4])]


def test_validations_while_gradients_are_accumulated(only_run: Callable[[], Captured]) -> None:
    module = Module()
    trainer = make_trainer(max_epochs=1, accumulate_grad_batches=2, val_check_interval=1, check_val_every_n_epoch=None)
    trainer.fit(module, make_loader(), make_loader(8))
    metrics = only_run().metrics
    assert steps(metrics["train_loss"]) == [1, 2, 3]
    assert steps(metrics["val_loss"]) == [0, 1, 1, 2, 3]
    assert values(metrics["val_loss"]) == module.seen["val"]


@pytest.mark.parametrize(
    ("often", "expected"),
    [
        ({"val_check_interval": 0.4}, [2, 4, 7, 9]),
        ({"val_check_interval": 3, "check_val_every_n_epoch": None}, [3, 6, 9]),
        ({"check_val_every_n_epoch": 2}, [1]),
        ({"val_check_interval": 1.0}, [0, 1]),
    ],
)
def test_validations_within_an_epoch_have_the_step(
    often: dict[str, Any], expected: list[int], only_run: Callable[[], Captured]
) -> None:
    module = Module()
    make_trainer(max_epochs=2, **often).fit(module, make_loader(), make_loader(16))
    metrics = only_run().metrics
    assert steps(metrics["val_loss"]) == steps(metrics["validate_seconds"]) == expected
    pairs = zip(module.seen["val"][::2], module.seen["val"][1::2], strict=True)
    assert values(metrics["val_loss"]) == pytest.approx([mean(pair) for pair in pairs])
    assert steps(metrics["train_loss"]) == list(range(1, 11))


def test_the_sanity_check_is_no_validation(only_run: Callable[[], Captured]) -> None:
    make_trainer(max_epochs=1, num_sanity_val_steps=2).fit(Module(), make_loader(), make_loader())
    metrics = only_run().metrics
    assert [len(metrics[name]) for name in ("val_loss", "validate_seconds", "validate_samples_per_second")] == [1, 1, 1]


def test_what_hooks_at_the_end_of_a_step_or_an_epoch_log(only_run: Callable[[], Captured]) -> None:
    class Late(Module):
        def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
            self.log("late", float(batch_idx))

        def on_train_epoch_end(self) -> None:
            self.log("at_the_end", float(self.current_epoch))

    make_trainer(max_epochs=2).fit(Late(), make_loader())
    metrics = only_run().metrics
    assert metrics["late"] == [(step, (step - 1) % 5) for step in range(1, 11)]
    assert metrics["at_the_end"] == [(0, 0), (1, 1)]


def test_what_a_training_that_fails_has_logged_is_there(only_run: Callable[[], Captured]) -> None:
    class Failing(Module):
        def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
            if len(self.seen["train"]) == 7:
                raise RuntimeError("of the user's")

    module = Failing()
    trainer = make_trainer(max_epochs=2)
    callbacks = list(trainer.callbacks)
    with pytest.raises(RuntimeError, match="of the user's"):
        trainer.fit(module, make_loader(), make_loader())
    assert trainer.callbacks == callbacks
    run = only_run()
    assert run.status == "FAILED"
    assert values(run.metrics["train_loss"]) == module.seen["train"]
    assert steps(run.metrics["val_loss"]) == [0]
    assert len(run.metrics["fit_seconds"]) == 1


def test_of_several_loaders_each_has_its_metrics(only_run: Callable[[], Captured]) -> None:
    class Several(Module):
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
            super().validation_step(batch)

    make_trainer(max_epochs=2).fit(Several(), make_loader(), [make_loader(), make_loader(16)])
    run = only_run()
    assert steps(run.metrics["val_loss/dataloader_idx_0"]) == steps(run.metrics["val_loss/dataloader_idx_1"]) == [0, 1]
    assert run.datasets == [("train", "train"), ("val_0", "eval"), ("val_1", "eval")]


def test_the_users_loggers_get_what_they_get_without(autolog: object, tmp_path: Any) -> None:
    written = []
    for name in ("with", "without"):
        pl.seed_everything(0)
        logger = pl.loggers.CSVLogger(tmp_path / name, version=0)
        trainer = make_trainer(logger=logger, log_every_n_steps=2)
        trainer.fit(Module(), make_loader(shuffle=True), make_loader())
        trainer.test(trainer.lightning_module, make_loader(), verbose=False)
        assert trainer.loggers == [logger]
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        written.append([(path.name, path.read_text()) for path in files])
        reticent.autolog(disable=True)
    assert written[0] == written[1]


def test_time_and_throughput_of_the_phases(only_run: Callable[[], Captured]) -> None:
    make_trainer(max_epochs=2).fit(Module(), make_loader(), make_loader(16))
    metrics = only_run().metrics
    ((_, seconds),) = metrics["fit_seconds"]
    assert values(metrics["fit_samples_per_second"]) == pytest.approx([80 / seconds])
    rates = zip(values(metrics["validate_samples_per_second"]), values(metrics["validate_seconds"]), strict=True)
    assert [rate * seconds for rate, seconds in rates] == pytest.approx([16, 16])
