"""A process with autologging on, and trainers that train in a moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import pytest
from tests.contract import tiny_trainers

import reticent


class MakeTrainer(Protocol):
    def __call__(self, *, kind: Any = ..., parts: dict[str, Any] | None = None, **changed: Any) -> Any: ...


@pytest.fixture
def autolog(root: Path) -> None:
    reticent.autolog()


@pytest.fixture
def make_trainer(autolog: None, tmp_path: Path) -> MakeTrainer:
    """A Trainer that has its directory among those of the test."""

    def make(*, kind: Any = tiny_trainers.Trainer, parts: dict[str, Any] | None = None, **changed: Any) -> Any:
        return tiny_trainers.trainer(tmp_path / "out", kind, parts, **changed)

    return make
