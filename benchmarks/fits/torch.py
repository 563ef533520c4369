"""plain PyTorch"""

from __future__ import annotations

from collections.abc import Callable

MLFLOW = None
"""It captures what a SummaryWriter is told, and nothing else of a loop."""
SIZES = {
    "200 steps": {"steps": 200, "width": 32},
    "500 steps, 1 MB": {"steps": 500, "width": 512},
}


def prepare(steps: int, width: int) -> Callable[[], object]:
    import torch

    X = torch.randn(64, 8, generator=torch.Generator().manual_seed(0))

    def fit() -> object:
        layers = [torch.nn.Linear(8, width), torch.nn.ReLU(), torch.nn.Linear(width, width), torch.nn.ReLU()]
        model = torch.nn.Sequential(*layers, torch.nn.Linear(width, 1))
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        for _ in range(steps):
            optimizer.zero_grad()
            loss = torch.nn.functional.mse_loss(model(X), X[:, :1])
            loss.backward()
            optimizer.step()
        return model

    return fit
