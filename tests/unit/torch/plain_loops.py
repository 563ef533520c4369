"""A small loop, and the run that it leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from reticent.testing.captured import Captured, captured

X = torch.ones(4, 3)


def steps(model: torch.nn.Module, optimizer: torch.optim.Optimizer, count: int) -> list[float]:
    losses = []
    for _ in range(count):
        optimizer.zero_grad()
        loss = model(X).pow(2).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def make(**options: Any) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    model = torch.nn.Linear(3, 2)
    return model, torch.optim.SGD(model.parameters(), lr=0.1, **options)


def one(root: Path) -> Captured:
    (run,) = captured(root)
    assert run.warnings == []
    return run
