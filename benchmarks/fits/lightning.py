"""Lightning fit"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

MLFLOW = "mlflow.pytorch"
SIZES = {
    "3 epochs of 8 steps": {"epochs": 3, "rows": 256, "width": 16},
    "10 epochs of 50 steps, 1 MB": {"epochs": 10, "rows": 1_600, "width": 512},
}


def prepare(epochs: int, rows: int, width: int) -> Callable[[], object]:
    import torch
    from lightning import pytorch as pl
    from torch.utils.data import DataLoader, TensorDataset

    class Module(pl.LightningModule):  # type: ignore[misc] # it publishes no types
        def __init__(self) -> None:
            super().__init__()
            layers = [torch.nn.Linear(8, width), torch.nn.ReLU(), torch.nn.Linear(width, width), torch.nn.ReLU()]
            self.layers = torch.nn.Sequential(*layers, torch.nn.Linear(width, 1))

        def training_step(self, batch: Any, _: int) -> Any:
            return self._loss(batch, "train_loss")

        def validation_step(self, batch: Any, _: int) -> Any:
            return self._loss(batch, "val_loss")

        def _loss(self, batch: Any, name: str) -> Any:
            loss = torch.nn.functional.mse_loss(self.layers(batch[0]), batch[1])
            self.log(name, loss)
            return loss

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.parameters(), lr=0.01)

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.manual_seed(0)
    X = torch.randn(rows, 8)
    data = TensorDataset(X, X[:, :1])

    def fit() -> object:
        quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
        trainer = pl.Trainer(max_epochs=epochs, accelerator="cpu", log_every_n_steps=1, **quiet)
        return trainer.fit(Module(), DataLoader(data, batch_size=32), DataLoader(data, batch_size=32))

    return fit
