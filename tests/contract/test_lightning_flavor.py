"""Modules of Lightning, by either of its packages, keep the contract; what they were trained by does not come along."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning
import pytorch_lightning
import torch
from tests.contract.flavors import FlavorMatrix
from tests.contract.torch_models import ROWS, LightningNet, OldLightningNet, change, save_by_mlflow

from reticent.models import load_model
from reticent.testing import ModelCase
from reticent_integrations.torch.flavor import flavor

KINDS = {"lightning": (lightning, LightningNet), "pytorch_lightning": (pytorch_lightning, OldLightningNet)}


def trained(kind: str) -> Any:
    package, net = KINDS[kind]
    torch.manual_seed(0)
    model = net(width=4)
    rows = torch.utils.data.TensorDataset(torch.from_numpy(ROWS), torch.ones(len(ROWS), 2))
    trainer = package.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model, torch.utils.data.DataLoader(rows))
    return model


class TestLightningFlavor(FlavorMatrix):
    flavor = flavor
    module = "lightning"
    kinds = tuple(KINDS)

    def case(self, kind: str) -> ModelCase:
        return ModelCase(trained(kind), ROWS, safe=False)  # the module is a class of the user's

    def change(self, model: Any) -> bool:
        return change(model)

    def mlflow_saves(self, model: Any, kind: str, path: str) -> None:
        save_by_mlflow(model, path)

    def test_the_trainer_does_not_come_along(self, kind: str, place: Path) -> None:
        model = trained(kind)
        trainer = model.trainer
        loaded = load_model(self.publish(place, model).directory, trust=True)
        assert type(loaded) is type(model)
        assert loaded._trainer is None
        assert model.trainer is trainer
        assert loaded.hparams == {"width": 4}
        assert loaded.hparams.width == 4
        assert isinstance(loaded, KINDS[kind][0].LightningModule)

    def test_nor_does_it_in_a_pickle(self, kind: str, place: Path) -> None:
        model = trained(kind)
        model.kept_by_the_user = [model.trainer]
        model.register_forward_hook(lambda module, inputs, output: output * 2)
        loaded = load_model(self.publish(place, model).directory, trust=True)
        assert loaded.kept_by_the_user == [None]

    def test_it_is_described_without_a_pickle(self, kind: str, place: Path) -> None:
        directory = self.publish(place, trained(kind)).directory
        assert (directory / "module.json").exists()
        assert not (directory / "structure.pkl").exists()
