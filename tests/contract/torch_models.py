"""Modules of classes that can be imported, and what the tests of modules share."""

from __future__ import annotations

from typing import Any

import lightning
import mlflow.pytorch
import numpy as np
import pandas as pd
import pytorch_lightning
import torch
from torch import nn

ROWS = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
FRAME = pd.DataFrame(ROWS, columns=list("abcd"))


def change(model: Any) -> bool:
    exported = isinstance(model, torch.export.ExportedProgram)
    with torch.no_grad():
        for parameter in model.state_dict.values() if exported else model.parameters():
            parameter.add_(torch.rand_like(parameter))
    return True


def save_by_mlflow(model: Any, path: str) -> None:
    mlflow.pytorch.save_model(model, path, pip_requirements=["torch"], serialization_format="pickle")


class Net(nn.Module):
    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.width = width
        self.sizes = (4, width, 2)
        self.options = {"dtype": torch.float32, "rate": float("inf"), 3: [None, {1, 2}]}
        self.first = nn.Linear(4, width)
        self.second = nn.Linear(width, 2)
        self.act = nn.ReLU()
        self.register_buffer("scale", torch.full((2,), 2.0))
        self.register_buffer("shift", torch.arange(2.0), persistent=False)
        self.constant = torch.tensor([0.5, 0.25])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.act(self.first(x))) * self.scale + self.shift + self.constant


class Tied(nn.Module):
    """Its layers share weights: the same parameter, another tensor of the same memory, and a part of it."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Linear(4, 4)
        self.two = nn.Linear(4, 4)
        self.two.weight = self.one.weight
        self.three = nn.Linear(4, 4)
        self.three.weight.data = self.one.weight.data
        self.register_buffer("part", self.one.weight.data[1:3])
        self.again = self.one

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.again(self.three(self.two(self.one(x)))) @ self.part.T


class _Training:
    def training_step(self, batch, index):
        x, y = batch
        return nn.functional.mse_loss(self(x), y)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


class LightningNet(_Training, lightning.LightningModule):
    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.layers = nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 2))


class OldLightningNet(_Training, pytorch_lightning.LightningModule):
    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.layers = nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 2))
