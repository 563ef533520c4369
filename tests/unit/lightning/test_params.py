"""Params come from the module, its data, the trainer, optimizers and schedulers, and do not hide one another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch

import reticent
from reticent.testing import Captured

from .conftest import OTHERS, Module, make_loader, make_trainer, origins


class Data(pl.LightningDataModule):  # type: ignore[misc]
    def __init__(self, rows: int = 40, lr: str = "of the data") -> None:
        super().__init__()
        self.save_hyperparameters()

    def train_dataloader(self) -> Any:
        return make_loader(self.hparams["rows"])


def test_hyperparameters_of_module_and_data_are_told_apart(autolog: Path, only_run: Callable[[], Captured]) -> None:
    make_trainer(max_epochs=1).fit(Module(lr=0.2, head={"kind": "mlp", "sizes": [3, 1]}), datamodule=Data(32))
    params = only_run().params
    assert params["lr"] == "0.2"
    assert params["datamodule.lr"] == "of the data"
    assert (params["width"], params["rows"]) == ("3", "32")
    assert (params["head.kind"], params["head.sizes"]) == ("mlp", "[3, 1]")
    origin = origins(autolog)
    assert (origin["lr"], origin["rows"], origin["head.kind"]) == ("explicit",) * 3
    assert (origin["width"], origin["datamodule.lr"]) == ("default", "default")


def test_a_datamodule_in_the_place_of_the_loaders_is_one(only_run: Callable[[], Captured]) -> None:
    make_trainer(max_epochs=1).fit(Module(), Data(24))
    assert only_run().params["rows"] == "24"


def test_arguments_of_the_trainer_are_given_or_default(autolog: Path, only_run: Callable[[], Captured]) -> None:
    callback = pl.callbacks.Timer()
    make_trainer(max_epochs=2, gradient_clip_val=0.5, callbacks=[callback]).fit(Module(), make_loader())
    params, origin = only_run().params, origins(autolog)
    assert (params["gradient_clip_val"], origin["gradient_clip_val"]) == ("0.5", "explicit")
    assert (params["max_epochs"], params["epochs"], origin["epochs"]) == ("2", "2", "explicit")
    assert params["callbacks"] == "['Timer']"
    assert (params["accumulate_grad_batches"], origin["accumulate_grad_batches"]) == ("1", "default")
    assert (params["strategy"], origin["strategy"]) == ("auto", "default")


def test_of_a_trainer_from_before_autologging_what_it_still_knows(root: Path) -> None:
    trainer = make_trainer(max_epochs=1, gradient_clip_val=0.5)
    reticent.autolog(**OTHERS)
    trainer.fit(Module(), make_loader())
    assert origins(root)["gradient_clip_val"] == "derived"


def test_all_optimizers_and_schedulers(autolog: Path, only_run: Callable[[], Captured]) -> None:
    class Two(Module):
        def __init__(self) -> None:
            super().__init__(lr=0.1)
            self.automatic_optimization = False

        def training_step(self, batch: Any) -> None:
            for optimizer in self.optimizers():
                optimizer.zero_grad()
                self.manual_backward(self(batch[0]).square().mean())
                optimizer.step()
            for scheduler in self.lr_schedulers():
                scheduler.step()

        def configure_optimizers(self) -> Any:
            first, last = self.layers[0], self.layers[2]
            adam = torch.optim.Adam(first.parameters(), lr=0.3)
            sgd = torch.optim.SGD([{"params": [last.weight]}, {"params": [last.bias], "lr": 0.04}], lr=0.02)
            step = torch.optim.lr_scheduler.StepLR(adam, 1, gamma=0.5)
            return [adam, sgd], [step, torch.optim.lr_scheduler.ExponentialLR(sgd, 0.9)]

    make_trainer(max_epochs=1).fit(Two(), make_loader())
    run = only_run()
    assert (run.params["optimizer_name"], run.params["optimizer_2.optimizer_name"]) == ("Adam", "SGD")
    assert (run.params["optimizer.lr"], run.params["optimizer_2.lr"]) == ("0.3", "0.02")  # `lr` is the module's own
    assert run.params["optimizer_2.group_1.lr"] == "0.04"
    assert (run.params["scheduler_name"], run.params["scheduler_2_name"]) == ("StepLR", "ExponentialLR")
    assert (run.params["scheduler.gamma"], run.params["scheduler_2.gamma"]) == ("0.5", "0.9")
    assert origins(autolog)["optimizer.lr"] == "explicit"
    # Each batch has two optimizer steps.
    assert run.metrics["learning_rate"] == [(2 * n, 0.3 * 0.5 ** (n - 1)) for n in range(1, 6)]
    assert [round(rate, 9) for _, rate in run.metrics["optimizer_2.group_1.learning_rate"]] == [
        round(0.04 * 0.9**n, 9) for n in range(5)
    ]


def test_the_summary_counts_shared_and_frozen_parameters_once(root: Path, only_run: Callable[[], Captured]) -> None:
    module = Module(width=4)
    module.again = module.layers[2]
    module.layers[0].weight.requires_grad = False
    make_trainer(max_epochs=1).fit(module, make_loader())
    run = only_run()
    assert (run.params["num_parameters"], run.params["num_trainable_parameters"]) == ("25", "9")
    text = (root / "runs" / run.run_id / "artifacts" / "model_summary.txt").read_text()
    assert "layers.0" in text
    assert "num_parameters: 25" in text


def test_the_summary_runs_nothing_of_the_users(only_run: Callable[[], Captured]) -> None:
    class WithExample(Module):
        forwards = 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            WithExample.forwards += 1
            return super().forward(x)

    module = WithExample()
    module.example_input_array = torch.ones(2, 4)
    make_trainer(max_epochs=1).fit(module, make_loader())
    assert only_run().status == "FINISHED"
    assert WithExample.forwards == 5
