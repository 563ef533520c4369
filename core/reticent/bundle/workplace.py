"""A place beside the runs in which something is put together before it becomes visible."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from reticent.files import lock, make_directory, open_private


@contextmanager
def workplace(root: Path) -> Iterator[Path]:
    """A directory on the file system of the runs, where nothing else looks. Those that killed processes have left are
    removed."""
    places = root / "moving"
    make_directory(places)
    for path in places.glob("*.lock"):
        with suppress(FileNotFoundError), path.open("r+b") as file:
            if lock(file.fileno()):
                _remove(path)
    path = places / f"{uuid.uuid4().hex}.lock"
    with os.fdopen(open_private(path, os.O_RDWR | os.O_EXCL), "r+b") as file:
        lock(file.fileno())
        try:
            make_directory(path.with_suffix(""))
            yield path.with_suffix("")
        finally:
            _remove(path)


def _remove(path: Path) -> None:
    shutil.rmtree(path.with_suffix(""), ignore_errors=True)
    path.unlink(missing_ok=True)
