"""Lightning: a small network with early stopping and checkpoints, on handwritten digits"""

from __future__ import annotations


def train() -> str:
    import tempfile

    import lightning.pytorch as pl
    import torch
    from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
    from sklearn.datasets import load_digits
    from torch.utils.data import DataLoader, TensorDataset, random_split

    class Digits(pl.LightningModule):  # type: ignore[misc] # Lightning's classes are not typed
        def __init__(self, hidden: int = 64, lr: float = 0.01) -> None:  # noqa: ARG002 - save_hyperparameters reads it
            super().__init__()
            self.save_hyperparameters()
            self.layers = torch.nn.Sequential(torch.nn.Linear(64, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, 10))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layers(x)

        def training_step(self, batch: list[torch.Tensor]) -> torch.Tensor:
            loss = torch.nn.functional.cross_entropy(self(batch[0]), batch[1])
            self.log("train_loss", loss, on_epoch=True)
            return loss

        def validation_step(self, batch: list[torch.Tensor]) -> None:
            right = self(batch[0]).argmax(1) == batch[1]
            self.log("val_accuracy", right.float().mean())

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), lr=self.hparams["lr"])

    pl.seed_everything(0)
    pixels, digits = load_digits(return_X_y=True)
    data = TensorDataset(torch.tensor(pixels / 16, dtype=torch.float32), torch.tensor(digits))
    training, unseen = random_split(data, [0.8, 0.2])
    with tempfile.TemporaryDirectory() as directory:
        callbacks = [
            EarlyStopping("val_accuracy", patience=3, mode="max"),
            ModelCheckpoint(directory, monitor="val_accuracy", mode="max"),
        ]
        trainer = pl.Trainer(max_epochs=15, accelerator="cpu", callbacks=callbacks, logger=False)
        trainer.fit(Digits(), DataLoader(training, batch_size=32, shuffle=True), DataLoader(unseen, batch_size=64))
    return f"{trainer.callback_metrics['val_accuracy']:.1%} of unseen digits are right"
