"""plain PyTorch, 1,000 steps"""

from __future__ import annotations

from collections.abc import Callable

MLFLOW = None
"""It captures what a SummaryWriter is told, and nothing else of a loop."""


def prepare() -> Callable[[], object]:
    import torch

    X = torch.randn(64, 8, generator=torch.Generator().manual_seed(0))

    def fit() -> object:
        model = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1))
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        for _ in range(1000):
            optimizer.zero_grad()
            loss = torch.nn.functional.mse_loss(model(X), X[:, :1])
            loss.backward()
            optimizer.step()
        return model

    return fit
