"""A small training by Lightning, and the run that it makes."""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import lightning.pytorch
import pytest
import pytorch_lightning
import torch
from torch.utils.data import DataLoader, TensorDataset

import reticent
from reticent.testing import Captured, captured

PACKAGES = {"lightning": lightning.pytorch, "pytorch_lightning": pytorch_lightning}
OTHERS = dict.fromkeys(("sklearn", "xgboost", "torch"), False)


def make_loader(rows: int = 40, **options: Any) -> DataLoader[Any]:
    """Eight rows a batch: five batches an epoch, of 40 rows."""
    X = torch.linspace(-1, 1, rows * 4).reshape(rows, 4)
    return DataLoader(TensorDataset(X, (X[:, 0] > 0).float()), **{"batch_size": 8, **options})


def loss_of(module: Any, batch: Any) -> torch.Tensor:
    return torch.nn.functional.binary_cross_entropy_with_logits(module(batch[0]), batch[1])


class Steps:
    """What a module of either package does; the losses that it has seen are in `seen`."""

    logging: dict[str, Any] = {}  # noqa: RUF012 - of the tests' subclasses

    def __init__(self, lr: float = 0.1, width: int = 3, **others: Any) -> None:
        super().__init__()
        self.save_hyperparameters()  # type: ignore[attr-defined]
        self.layers = torch.nn.Sequential(torch.nn.Linear(4, width), torch.nn.ReLU(), torch.nn.Linear(width, 1))
        self.seen: dict[str, list[float]] = {"train": [], "val": []}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x).squeeze(1)  # type: ignore[no-any-return]

    def training_step(self, batch: Any) -> torch.Tensor:
        loss = loss_of(self, batch)
        self.seen["train"].append(loss.item())
        self.log("train_loss", loss, **self.logging)  # type: ignore[attr-defined]
        return loss

    def validation_step(self, batch: Any) -> None:
        loss = loss_of(self, batch)
        if not self.trainer.sanity_checking:  # type: ignore[attr-defined]
            self.seen["val"].append(loss.item())
        self.log("val_loss", loss)  # type: ignore[attr-defined]

    def test_step(self, batch: Any) -> None:
        self.log("test_loss", loss_of(self, batch))  # type: ignore[attr-defined]

    def predict_step(self, batch: Any) -> torch.Tensor:
        return self(batch[0])  # type: ignore[operator, no-any-return]

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), lr=self.hparams["lr"])  # type: ignore[attr-defined]


class Module(Steps, lightning.pytorch.LightningModule):  # type: ignore[misc] # Lightning's classes are not typed
    pass


def make_trainer(package: Any = lightning.pytorch, **options: Any) -> Any:
    quiet = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    return package.Trainer(**{**quiet, "max_epochs": 3, "enable_checkpointing": False, **options})


@pytest.fixture(autouse=True)
def no_warnings_of_lightning() -> Iterator[None]:
    """Of few workers, few batches, and checkpoints where there are some: true, and not to be told here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture
def autolog(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lightning alone is captured. The working directory is the test's own."""
    monkeypatch.chdir(tmp_path)
    reticent.autolog(**OTHERS)
    return root


@pytest.fixture
def only_run(autolog: Path) -> Callable[[], Captured]:
    def find() -> Captured:
        (run,) = captured(autolog)
        assert run.warnings == []
        return run

    return find


def origins(root: Path) -> dict[str, str]:
    """Of the params of the only run."""
    assert reticent.flush(60)
    (file,) = root.glob("*.db")
    with closing(sqlite3.connect(file)) as database:
        return dict(database.execute("SELECT key, origin FROM param"))
