"""The integration of plain loops in PyTorch keeps what integrations promise."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset

from reticent.testing import Canary, ExampleCall, IntegrationContract
from reticent_integrations.torch import integration


def fit(data: Dataset[Any], epochs: int = 2, lr: float = 0.1, gamma: float | None = None, seed: int = 0) -> Any:
    """A loop as users write it; of all that it makes, the model is left."""
    generator = torch.Generator().manual_seed(seed)  # of its own: threads train at the same time
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, generator=generator)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma or 0.9)
    loader = DataLoader(data, batch_size=8, shuffle=True, generator=generator)
    for _ in range(epochs):
        for X, y in loader:
            optimizer.zero_grad()
            loss = torch.nn.functional.mse_loss(model(X), y)
            loss.backward()
            optimizer.step()
        scheduler.step()
    return model


def make_data() -> TensorDataset:
    X = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
    return TensorDataset(X, X.sum(1, keepdim=True))


class Unreadable(Dataset[Any]):
    """Data of which one sample cannot be read."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __len__(self) -> int:
        return 40

    def __getitem__(self, index: int) -> Any:
        if index == 33:
            raise self.error
        return torch.ones(4), torch.ones(1)


class TestTorch(IntegrationContract):
    integration = integration
    code = """
def train():
    model = torch.nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        model(torch.ones(2, 4)).sum().backward()
        optimizer.step()

train()
"""

    def call(self) -> ExampleCall:
        return ExampleCall(fit, {"data": make_data(), "epochs": 2, "lr": 0.01, "gamma": 0.8}, ("gamma",))

    def call_with_secrets(self, canary: Canary) -> ExampleCall:
        class Named(TensorDataset):
            pass

        data = Named(*make_data().tensors)
        data.root = canary.shaped  # type: ignore[attr-defined]
        data.classes = [canary.shaped, canary.known, f"api_key={canary.keyed}"]  # type: ignore[attr-defined]
        return ExampleCall(fit, {"data": data})

    def failing_call(self, error: BaseException) -> ExampleCall:
        return ExampleCall(fit, {"data": Unreadable(error)})

    def outcome(self, returned: Any) -> object:
        return {name: value.numpy().tobytes() for name, value in returned.state_dict().items()}
