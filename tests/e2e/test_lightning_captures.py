"""What is left of trainings by Lightning, of either package: what MLflow captures, and what Lightning itself says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lightning
import pytest

from .capturing import Stored, check_captures, check_floor, script

SCRIPT = """
import json, torch, warnings
import {package} as pl
from {package}.callbacks import EarlyStopping, ModelCheckpoint
from torch.utils.data import DataLoader, TensorDataset

warnings.simplefilter("ignore")

class Classifier(pl.LightningModule):
    def __init__(self, hidden=8, lr=0.01):
        super().__init__()
        self.save_hyperparameters()
        self.layers = torch.nn.Sequential(torch.nn.Linear(4, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, 2))

    def forward(self, x):
        return self.layers(x)

    def loss(self, batch, name):
        loss = torch.nn.functional.cross_entropy(self(batch[0]), batch[1])
        self.log(name, loss, on_step=False, on_epoch=True)
        return loss

    def training_step(self, batch):
        return self.loss(batch, "train_loss")

    def validation_step(self, batch):
        self.loss(batch, "val_loss")

    def test_step(self, batch):
        self.loss(batch, "test_loss")

    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.parameters(), lr=self.hparams.lr)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)]

pl.seed_everything(0)
X = torch.randn(200, 4)
data = TensorDataset(X, (X[:, 0] > 0).long())
loaders = DataLoader(data, batch_size=32, shuffle=True), DataLoader(data, batch_size=100)
stopping, checkpoint = EarlyStopping("val_loss", patience=2), ModelCheckpoint("checkpoints", monitor="val_loss")
trainer = pl.Trainer(max_epochs=3, accelerator="cpu", callbacks=[stopping, checkpoint], enable_progress_bar=False)
model = Classifier()
trainer.fit(model, *loaders)
told = {{
    "metrics": {{name: float(value) for name, value in trainer.callback_metrics.items()}},
    "best_score": float(stopping.best_score),
    "best": checkpoint.best_model_path.split("/")[-1],
    "test": trainer.test(model, loaders[1], verbose=False),
}}
json.dump(told, open("told.json", "w"))
"""

Trained = tuple[str, Stored, dict[str, Any]]
"""The package, the run, and what Lightning itself said of the training."""

MLFLOWS = {
    "checkpoints/latest_checkpoint.pth": "checkpoints/step_21/epoch=2-step=21.ckpt",
    "checkpoints/latest_checkpoint_metrics.json": "checkpoints/checkpoints.json",
    "restored_model_checkpoint/epoch=2-step=21.ckpt": "checkpoints/step_21/epoch=2-step=21.ckpt",
    "mlflow.latest_checkpoint_artifact": "checkpoint_last",
}
"""What is called otherwise here. The best checkpoint is the last one in this training, and stored once."""


@pytest.fixture(scope="module", params=["lightning.pytorch", "pytorch_lightning"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    directory = tmp_path_factory.mktemp("trained")
    (run,) = script(SCRIPT.format(package=request.param), directory)
    return request.param, run, json.loads((directory / "told.json").read_text())


def test_all_that_mlflow_captures(trained: Trained) -> None:
    _, run, _ = trained
    assert run.status == "FINISHED"
    assert run.warnings == []
    check_floor(run, "pytorch_lightning_fit", MLFLOWS)
    assert run.tags["Mode"] == "training"
    assert run.models == ["model"]


def test_the_values_are_lightnings_own(trained: Trained) -> None:
    _, run, told = trained
    last = {name: run.metrics[name][-1] for name in ("train_loss", "val_loss")}
    assert last == {name: (2, value) for name, value in told["metrics"].items()}
    assert run.metrics["best_score"] == [(2, told["best_score"])]
    assert run.tags["checkpoint_best"] == f"checkpoints/step_21/{told['best']}"
    assert run.metrics["test_loss"] == [(0, told["test"][0]["test_loss"])]


def test_what_mlflow_misses(trained: Trained) -> None:
    _, run, _ = trained
    assert run.params["hidden"] == ("8", "default")
    assert run.params["scheduler_name"] == ("StepLR", "explicit")
    assert run.params["scheduler.gamma"] == ("0.5", "explicit")
    assert run.params["accelerator"] == ("cpu", "explicit")
    assert run.params["gradient_clip_val"] == ("None", "default")
    assert [step for step, _ in run.metrics["learning_rate"]] == list(range(1, 22))
    assert {rate for _, rate in run.metrics["learning_rate"]} == {0.01, 0.005, 0.0025}
    assert run.tags["early_stopping_reason"] == "all steps trained"
    assert run.datasets.keys() == {("train", "train"), ("val", "eval")}, "it is tested with what it is validated by"
    schema, profile = run.datasets["train", "train"]
    assert schema["features"]["shape"] == [200, 4]  # type: ignore[index]
    assert profile["dataset"] == {"rows": 200}
    assert "model/input_example.json" in run.artifacts


def test_the_table_of_what_is_captured(trained: Trained) -> None:
    package, run, _ = trained
    if package == "lightning.pytorch":
        check_captures("lightning", lightning.__version__, {"fit and test": run})


DISTRIBUTED = """
import torch, warnings
import lightning.pytorch as pl
from torch.utils.data import DataLoader, TensorDataset

warnings.simplefilter("ignore")

class Line(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def training_step(self, batch):
        loss = self.layer(batch[0]).square().mean()
        self.log("train_loss", loss, on_epoch=True, sync_dist=True)
        return loss

    def validation_step(self, batch):
        self.log("rank", float(self.global_rank), sync_dist=True)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

data = DataLoader(TensorDataset(torch.ones(32, 1)), batch_size=4)
stopping = pl.callbacks.EarlyStopping("rank", patience=5)
trainer = pl.Trainer(max_epochs=2, accelerator="cpu", devices=2, strategy="ddp", logger=False, callbacks=[stopping],
                     enable_progress_bar=False, use_distributed_sampler=True)
trainer.fit(Line(), data, data)
"""

SPAWNED = (
    DISTRIBUTED.replace('devices=2, strategy="ddp"', 'devices=1, strategy="ddp_spawn"')
    .replace("data = ", "if __name__ == '__main__':\n  data = ")
    .replace("\nstopping", "\n  stopping")
    .replace("\ntrainer", "\n  trainer")
)


def test_of_two_processes_the_first_logs(tmp_path: Path) -> None:
    runs = script(DISTRIBUTED, tmp_path)
    (run,) = [run for run in runs if run.metrics]
    assert run.status == "FINISHED"
    assert run.warnings == []
    assert [step for step, _ in run.metrics["train_loss_step"]] == list(range(1, 9))
    assert run.metrics["rank"] == [(0, 0.5), (1, 0.5)]
    assert run.tags["checkpoint_last"] == "checkpoints/step_8/epoch=1-step=8.ckpt"
    assert run.models == ["model"]


def test_of_processes_that_the_trainer_spawns_what_they_bring_back(tmp_path: Path) -> None:
    (run,) = script(SPAWNED, tmp_path)
    assert run.status == "FINISHED"
    assert run.warnings == []
    assert [value for _, value in run.metrics["rank"]] == [0]
    assert len(run.metrics["train_loss"]) == 1
    assert run.models == ["model"]
