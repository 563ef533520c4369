"""The flavour of PyTorch keeps the contract."""

from __future__ import annotations

from typing import Any

import mlflow.pytorch
import numpy as np
import pytest
import torch
from tests.contract.flavors import FlavorMatrix
from tests.contract.torch_models import FRAME, ROWS, Net, Tied, change, save_by_mlflow
from torch import nn

from reticent.models import load_pyfunc
from reticent.testing import ModelCase
from reticent_integrations.torch.flavor import flavor


def hooked() -> nn.Module:
    model = nn.Sequential(nn.Linear(4, 2))
    model.register_forward_hook(lambda module, inputs, output: output * 3)
    return model


def local() -> nn.Module:
    class Local(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(x) * 2

    return Local()


def modules() -> dict[str, Any]:
    return {
        "of torch": lambda: nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 2)),
        "transformer": lambda: nn.TransformerEncoderLayer(4, 2, 8, activation="gelu"),
        "importable": Net,
        "local": local,
        "tied": Tied,
        "hooked": hooked,
        "script": lambda: torch.jit.script(nn.Sequential(nn.Linear(4, 2), nn.ReLU())),
        "exported": lambda: torch.export.export(
            nn.Sequential(nn.Linear(4, 2)), (torch.from_numpy(ROWS),), dynamic_shapes=({0: torch.export.Dim.AUTO},)
        ),
    }


class TestTorchFlavor(FlavorMatrix):
    flavor = flavor
    module = "torch"
    kinds = tuple(modules())

    def case(self, kind: str) -> ModelCase:
        torch.manual_seed(0)
        safe = kind in ("of torch", "transformer")
        example = FRAME if kind in ("of torch", "importable") else ROWS
        return ModelCase(modules()[kind](), example, safe=safe)

    def plant(self, model: Any, secret: str) -> bool:
        if isinstance(model, torch.export.ExportedProgram | torch.jit.ScriptModule):
            return False
        return super().plant(model, secret)

    def change(self, model: Any) -> bool:
        return change(model)

    def mlflow_saves(self, model: Any, kind: str, path: str) -> None:
        if kind == "exported":
            pytest.skip("MLflow takes the module, and exports it")
        save_by_mlflow(model, path)

    def test_a_program_that_mlflow_exported_is_loaded(self, tmp_path: Any) -> None:
        model = Net().eval()
        mlflow.pytorch.save_model(
            model, tmp_path / "m", pip_requirements=["torch"], serialization_format="pt2", input_example=ROWS
        )
        loaded = load_pyfunc(tmp_path / "m", trust=True)
        assert np.allclose(loaded.predict(ROWS), model(torch.from_numpy(ROWS)).detach().numpy())
