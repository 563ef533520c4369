"""The Lightning integrations keep what integrations promise, each for the classes of its own package."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning.pytorch
import numpy as np
import pytest
import pytorch_lightning
import torch
from torch.utils.data import DataLoader, TensorDataset

from reticent.testing import Canary, ExampleCall, IntegrationContract
from reticent_integrations import lightning as integrations

CODE = """
import warnings; warnings.simplefilter("ignore")
import torch, {0} as pl
class Line(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
    def training_step(self, batch):
        return self.layer(batch).square().mean()
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)
pl.Trainer(max_epochs=1, accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False).fit(
    Line(), torch.utils.data.DataLoader(torch.ones(4, 1)))
"""


def make_module(package: Any, told: dict[str, Any], error: BaseException | None = None) -> Any:
    class Classifier(package.LightningModule):  # type: ignore[misc]
        def __init__(self, lr: float = 0.1, **others: Any) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.layer = torch.nn.Linear(4, 1)
            with torch.no_grad():  # in threads, the generator that draws first weights is not theirs alone
                self.layer.weight.fill_(0.1)
                self.layer.bias.zero_()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(x).squeeze(1)  # type: ignore[no-any-return]

        def training_step(self, batch: list[torch.Tensor]) -> torch.Tensor:
            if error is not None:
                raise error
            loss = torch.nn.functional.binary_cross_entropy_with_logits(self(batch[0]), batch[1])
            self.log("train_loss", loss, on_epoch=True)
            return loss

        def validation_step(self, batch: list[torch.Tensor]) -> None:
            self.log("val_loss", torch.nn.functional.binary_cross_entropy_with_logits(self(batch[0]), batch[1]))

        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.Adam(self.parameters(), lr=self.hparams["lr"])
            return [optimizer], [torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)]

    return Classifier(**told)


def make_loader() -> DataLoader[Any]:
    X = torch.from_numpy(np.random.default_rng(0).normal(size=(40, 4)).astype("float32"))
    return DataLoader(TensorDataset(X, (X[:, 0] > 0).float()), batch_size=8)


class LightningContract(IntegrationContract):
    package: Any

    @pytest.fixture(autouse=True)
    def directory(self, tmp_path: Path) -> Iterator[None]:
        """Lightning writes below the working directory, and warns of workers that a test does not need."""
        self.places = iter(tmp_path / f"training_{number}" for number in range(1000))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield

    def call(self) -> ExampleCall:
        return self.training({"lr": 0.2})

    def call_with_secrets(self, canary: Canary) -> ExampleCall:
        told = {"api_key": canary.keyed, "note": canary.shaped, "remark": canary.known, canary.shaped: 1}
        return self.training({**told, "nested": {"token": canary.keyed}})

    def failing_call(self, error: BaseException) -> ExampleCall:
        return self.training({}, error)

    def training(self, told: dict[str, Any], error: BaseException | None = None) -> ExampleCall:
        module = make_module(self.package, told, error)
        place = next(self.places)
        stopping = self.package.callbacks.EarlyStopping("val_loss", patience=2)
        checkpoint = self.package.callbacks.ModelCheckpoint(place, monitor="val_loss")
        trainer = self.package.Trainer(
            max_epochs=2,
            accelerator="cpu",
            callbacks=[stopping, checkpoint],
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        bound = functools.partial(trainer.fit, module)
        callbacks = trainer.callbacks, list(trainer.callbacks)

        def fit(*args: Any, **kwargs: Any) -> Any:
            assert bound(*args, **kwargs) is None
            assert trainer.callbacks is callbacks[0]
            assert trainer.callbacks == callbacks[1]
            return module, trainer, place

        fit.__signature__ = inspect.signature(bound)  # type: ignore[attr-defined]
        arguments = {"train_dataloaders": make_loader(), "val_dataloaders": make_loader(), "datamodule": None}
        return ExampleCall(fit, arguments, optional=("datamodule", "ckpt_path"))

    def outcome(self, returned: Any) -> object:
        module, trainer, place = returned
        written = [torch.load(path, weights_only=False) for path in sorted(place.glob("*.ckpt"))]
        return (
            {name: value.numpy().tobytes() for name, value in module.state_dict().items()},
            sorted(vars(module)),
            [part.training for part in module.modules()],
            {name: float(value) for name, value in trainer.callback_metrics.items()},
            [checkpoint_state(one, place) for one in written],
            trainer.early_stopping_callback.state_dict().__repr__(),
        )


def checkpoint_state(checkpoint: dict[str, Any], place: Path) -> str:
    """All of what a checkpoint has, but where it lies."""
    return repr(checkpoint).replace(str(place), "")


class TestLightning(LightningContract):
    integration = integrations.integration
    package = lightning.pytorch
    code = CODE.format("lightning.pytorch")


class TestPyTorchLightning(LightningContract):
    integration = integrations.pytorch_lightning
    package = pytorch_lightning
    code = CODE.format("pytorch_lightning")
