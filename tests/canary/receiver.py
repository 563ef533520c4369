"""A backend that keeps all that it is handed, as files, and fails as it is told to, with a secret in what it says."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from reticent.backends import Batch, Rejection, Target
from reticent.records import Artifact
from reticent.testing.canary import CANARY


class Receiver:
    def open(self, target: Target) -> str:
        self._directory = Path(os.environ["RECEIVED"])
        self._directory.mkdir(exist_ok=True)
        _fail("open")
        return "receiver"

    def write(self, batch: Batch) -> Sequence[Rejection]:
        parts = [msgspec.json.encode(entry.record) for entry in batch.entries]
        parts += [msgspec.json.encode(dict(block.keys)) for block in batch.metrics]
        for entry in batch.entries:
            if isinstance(entry.record, Artifact) and (file := batch.file(entry.record)) is not None:
                self._keep(file.read_bytes())
        self._keep(b"\n".join(parts))
        _fail("write")
        return [Rejection(1, CANARY.text())] if os.environ.get("RECEIVER") == "rejects" else []

    def close(self) -> None:
        _fail("close")

    def _keep(self, content: bytes) -> None:
        (self._directory / str(len(list(self._directory.iterdir())))).write_bytes(content)


def _fail(place: str) -> None:
    if os.environ.get("RECEIVER") == place:
        raise RuntimeError(CANARY.text()) from ValueError(CANARY.text())
