"""What unit tests share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
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


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory that is imported from."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]
