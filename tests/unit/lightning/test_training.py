"""A training is the same with autologging, whatever the user's own callbacks, data and interruptions are."""

from __future__ import annotations

import json
import os
import pickle
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from lightning.pytorch.tuner import Tuner
from torch.utils.data import DataLoader, IterableDataset

import reticent
from reticent.testing import Captured, captured

from .conftest import Module, make_loader, make_trainer


def test_random_numbers_are_drawn_as_without(autolog: Path) -> None:
    class Dropping(Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers.append(torch.nn.Dropout(0.5))

    outcomes = []
    for _ in range(2):
        pl.seed_everything(3)
        module = Dropping()
        make_trainer(max_epochs=2).fit(module, make_loader(shuffle=True), make_loader())
        drawn = torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random()
        outcomes.append((module.seen, [part.training for part in module.modules()], drawn))
        reticent.autolog(disable=True)
    assert outcomes[0] == outcomes[1]


def test_callbacks_of_the_module_are_in_the_trainers_list_afterwards(only_run: Callable[[], Captured]) -> None:
    class WithCallbacks(Module):
        def configure_callbacks(self) -> Any:
            return [pl.callbacks.EarlyStopping("val_loss", patience=1), pl.callbacks.Timer()]

    trainer = make_trainer(callbacks=[pl.callbacks.LambdaCallback()])
    before = trainer.callbacks
    listed = list(before)
    trainer.fit(WithCallbacks(), make_loader(), make_loader())
    assert before == listed
    assert [type(one).__name__ for one in trainer.callbacks] == ["LambdaCallback", "EarlyStopping", "Timer"]
    run = only_run()
    assert run.status == "FINISHED"
    assert len(run.metrics["train_loss"]) == 5 * len(run.metrics["val_loss"])


def test_early_stopping_of_the_module_is_captured_too(only_run: Callable[[], Captured]) -> None:
    class WithCallbacks(Module):
        def configure_callbacks(self) -> Any:
            return pl.callbacks.EarlyStopping("train_loss", patience=1, stopping_threshold=100.0)

    make_trainer().fit(WithCallbacks(), make_loader())
    run = only_run()
    assert run.params["monitor"] == "train_loss"
    assert run.tags["early_stopping_reason"] == "threshold reached"


def test_callbacks_that_others_add_and_take_meanwhile(only_run: Callable[[], Captured]) -> None:
    class Changing(pl.Callback):  # type: ignore[misc]
        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            trainer.callbacks.append(added)
            trainer.callbacks.remove(taken)

    added, taken, changing = pl.callbacks.LambdaCallback(), pl.callbacks.LambdaCallback(), Changing()
    trainer = make_trainer(max_epochs=1, callbacks=[changing, taken])
    before = trainer.callbacks
    trainer.fit(Module(), make_loader())
    assert trainer.callbacks is before
    assert before == [changing, added]
    assert only_run().status == "FINISHED"


def test_a_copy_of_the_callback_needs_no_reticent(autolog: Path) -> None:
    copies = []

    class Copying(pl.Callback):  # type: ignore[misc]
        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            copies.append(pickle.dumps([one for one in trainer.callbacks if one is not self]))

    make_trainer(max_epochs=1, callbacks=[Copying()]).fit(Module(), make_loader())
    assert b"reticent" not in copies[0]
    assert [type(one) for one in pickle.loads(copies[0])] == [pl.Callback]


class Stream(IterableDataset[Any]):
    """Data that can be read once."""

    def __init__(self) -> None:
        self.rows = iter(range(24))

    def __iter__(self) -> Iterator[Any]:
        return ((torch.full((4,), row / 24), torch.tensor(float(row % 2))) for row in self.rows)


def test_a_stream_is_read_by_the_training_alone(only_run: Callable[[], Captured]) -> None:
    module = Module()
    make_trainer(max_epochs=1).fit(module, DataLoader(Stream(), batch_size=8))
    assert len(module.seen["train"]) == 3
    run = only_run()
    assert len(run.metrics["train_loss"]) == 3
    assert run.datasets == [("train", "train")]
    assert run.warnings == []


def test_batches_that_are_no_tensors(only_run: Callable[[], Captured]) -> None:
    class Named(Module):
        def training_step(self, batch: Any) -> torch.Tensor:
            return super().training_step((batch["x"], batch["y"]))

    rows = [{"x": torch.ones(4), "y": 1.0, "name": "a"} for _ in range(12)]
    make_trainer(max_epochs=1).fit(Named(), DataLoader(rows, batch_size=6))  # type: ignore[arg-type]
    run = only_run()
    ((_, rate),), ((_, seconds),) = run.metrics["fit_samples_per_second"], run.metrics["fit_seconds"]
    assert rate * seconds == pytest.approx(12)
    assert run.models == ["model"]
    assert run.warnings == []


def test_the_model_has_a_signature_and_an_example(root: Path, only_run: Callable[[], Captured]) -> None:
    make_trainer(max_epochs=1).fit(Module(), make_loader())
    run = only_run()
    model = root / "runs" / run.run_id / "artifacts" / "model"
    assert '"shape":[-1,4]' in (model / "MLmodel").read_text()
    first = make_loader().dataset.tensors[0][:5].tolist()  # type: ignore[attr-defined]
    assert reticent.load_model(f"runs:/{run.run_id}/model", trust=True)(torch.tensor(first)).shape == (5,)
    assert json.loads((model / "input_example.json").read_text()) == first


class Sized(pl.LightningDataModule):  # type: ignore[misc]
    batch_size = 2

    def val_dataloader(self) -> Any:
        return make_loader(batch_size=self.batch_size)


def test_trials_of_the_tuner_are_no_trainings(autolog: Path) -> None:
    module = Module()
    trainer = make_trainer(max_epochs=1)
    found = Tuner(trainer).lr_find(module, make_loader(), num_training=10)
    assert found is not None
    assert Tuner(trainer).scale_batch_size(module, datamodule=Sized(), method="validate", max_trials=1, init_val=4)
    assert captured(autolog) == []
    trainer.fit(module, make_loader())
    (run,) = captured(autolog)
    assert float(run.params["lr"]) == module.hparams["lr"]


def test_finders_within_a_training_leave_no_points(only_run: Callable[[], Captured]) -> None:
    finder = pl.callbacks.LearningRateFinder(num_training_steps=10)
    module = Module(lr=0.07)
    make_trainer(max_epochs=1, callbacks=[finder]).fit(module, make_loader())
    run = only_run()
    assert len(run.metrics["train_loss"]) == 5
    assert {rate for _, rate in run.metrics["learning_rate"]} == {module.hparams["lr"]}
    assert not [path for path in run.artifacts if path.endswith(".ckpt")]


def test_an_interrupted_training_is_killed(only_run: Callable[[], Captured]) -> None:
    class Interrupted(Module):
        def on_train_epoch_end(self) -> None:
            raise KeyboardInterrupt

    handler = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(SystemExit):
            make_trainer().fit(Interrupted(), make_loader())
    finally:
        signal.signal(signal.SIGINT, handler)  # Lightning ignores further ones from then on
    run = only_run()
    assert run.status == "KILLED"
    assert len(run.metrics["train_loss"]) == 5


def test_a_training_ended_by_sigterm_is_killed(only_run: Callable[[], Captured]) -> None:
    class Terminated(Module):
        def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
            if batch_idx == 2:
                os.kill(os.getpid(), signal.SIGTERM)

    trainer = make_trainer()
    with pytest.raises(SystemExit):
        trainer.fit(Terminated(), make_loader())
    run = only_run()
    assert run.status == "KILLED"
    assert len(run.metrics["train_loss"]) == 3


def test_a_process_that_is_not_the_first_logs_nothing(autolog: Path) -> None:
    class Second(pl.strategies.SingleDeviceStrategy):  # type: ignore[misc]
        @property
        def is_global_zero(self) -> bool:
            return False

    trainer = make_trainer(max_epochs=1, strategy=Second("cpu"))
    trainer.fit(Module(), make_loader(), make_loader())
    trainer.test(trainer.lightning_module, make_loader(), verbose=False)
    assert captured(autolog) == []
