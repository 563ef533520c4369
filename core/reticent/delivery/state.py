"""How far each store has got with each run: one small file per pair, outside the run, so that a run can be moved.

    <root>/delivery/<store>/<run_id>.json

`store` is a digest of the backend's URL and of what its `open` returned: a store that was emptied or replaced has
another one, and is given every run from the start.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from reticent.backends import name_of
from reticent.files import make_directory, write_private
from reticent.runlog import Cursor


class Progress(msgspec.Struct, omit_defaults=True):
    """One run's delivery to one store. `error` is sealed text."""

    cursor: Cursor = msgspec.field(default_factory=Cursor)
    delivered: int = 0
    rejected: int = 0
    complete: bool = False
    said: str = ""
    """The state in the newest `Delivery` record for this backend that the run log holds."""
    error: str = ""


class ProgressFiles:
    """The progress of all runs towards one store."""

    def __init__(self, root: Path, url: str, identity: str) -> None:
        digest = hashlib.blake2b(f"{url}\n{identity}".encode(), digest_size=6).hexdigest()
        self._runs = root / "runs"
        self._directory = root / "delivery" / f"{name_of(url)}-{digest}"

    def load(self, run_id: str) -> Progress:
        try:
            return msgspec.json.decode(self._path(run_id).read_bytes(), type=Progress)
        except (FileNotFoundError, msgspec.DecodeError):
            return Progress()  # from the start: writes are idempotent

    def save(self, run_id: str, progress: Progress) -> None:
        write_private(self._path(run_id), msgspec.json.encode(progress))

    def outstanding(self) -> Iterator[str]:
        """The ids of the runs that may hold something this store has not got, oldest first."""
        make_directory(self._directory)
        saved = {entry.name: entry.stat().st_mtime for entry in os.scandir(self._directory)}
        with contextlib.suppress(FileNotFoundError):
            runs = [(entry.stat().st_mtime, entry.name) for entry in os.scandir(self._runs) if entry.is_dir()]
            for changed, run_id in sorted(runs):
                # A writer that is opened, or opened again, changes its directory's time.
                if changed >= saved.get(f"{run_id}.json", 0.0) or not self.load(run_id).complete:
                    yield run_id

    def _path(self, run_id: str) -> Path:
        return self._directory / f"{run_id}.json"
