"""What tests of integrations share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import reticent
from reticent.testing import Captured, captured


@pytest.fixture
def autolog(root: Path) -> None:
    """A framework alone is captured."""
    reticent.autolog(sklearn=False)


@pytest.fixture
def only_run(root: Path, autolog: None) -> Callable[[], Captured]:
    def find() -> Captured:
        (run,) = captured(root)
        return run

    return find
