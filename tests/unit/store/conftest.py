"""A root of its own for each test. No backend is configured: what the store has, a read has brought there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reticent import guard, sessions, settings
from reticent.records import SealedRecord
from reticent.run import Run
from reticent.runlog import LogWriter

Append = Callable[[Run, SealedRecord], None]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("RETICENT_DIR", str(tmp_path / "root"))
    monkeypatch.setenv("RETICENT_BACKENDS", "")
    monkeypatch.setenv("RETICENT_CAPTURE", '{"git": false, "argv": false, "machine": false, "environment": []}')
    monkeypatch.setattr(guard, "strict", True)
    monkeypatch.setattr(guard, "_told", set())
    settings.reset()
    yield tmp_path / "root"
    settings.reset()


@pytest.fixture
def append() -> Append:
    """Appends a record to a run's log as one more process of the run would."""

    def write(run: Run, record: SealedRecord) -> None:
        writer = LogWriter(run.directory, sessions.current().host)
        writer.append(record)
        writer.close()

    return write
