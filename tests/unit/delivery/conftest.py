"""A backend of the test's own, installed as a third party's is."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from reticent import records, sessions
from reticent.backends import Batch, Rejection, Target, UnavailableError

STAFF = "STAFF-" + "123456"
RULE = {"id": "staff-number", "pattern": r"STAFF-\d{6}"}


class Memory:
    """A backend that keeps what it gets."""

    written: list[records.SealedRecord]
    points: list[records.Metric]
    files: dict[str, bytes]
    refuses = False

    def open(self, target: Target) -> str:
        return "memory"

    def write(self, batch: Batch) -> list[Rejection]:
        if self.refuses:
            raise UnavailableError("not now")
        for entry in batch.entries:
            self.written.append(entry.record)
            if isinstance(entry.record, records.Artifact):
                file = batch.file(entry.record)
                assert file is not None
                content = file.read_bytes()
                assert len(content) == entry.record.size
                assert hashlib.sha256(content).hexdigest() == entry.record.sha256
                self.files[entry.record.path] = content
        self.points += [metric for block in batch.metrics for metric in block]
        return []

    def close(self) -> None:
        pass


@pytest.fixture
def memory(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Memory]]:
    """The backend `hoard`, installed as a third party's is, and empty."""
    metadata = tmp_path / "site" / "memory-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: memory\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[reticent.backends]\nhoard = memorybackend:Memory\n")
    module: Any = ModuleType("memorybackend")
    module.Memory = type("Memory", (Memory,), {"written": [], "points": [], "files": {}})
    monkeypatch.setitem(sys.modules, "memorybackend", module)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("RETICENT_BACKENDS", "sqlite,hoard")
    monkeypatch.setenv("RETICENT_EXIT_TIMEOUT_S", "1")
    yield module.Memory
    for sender in sessions.current()._senders.values():
        sender._own.clear()  # else what was refused would go to the backend of the next test
