"""Two machines: a root with a run to export, and another one to import to."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest

import reticent
from reticent import sessions, settings
from reticent.bundle.writing import has_ended
from reticent.session import Session


def session_at(root: Path) -> Session:
    """Another machine's: with a root of its own."""
    return Session(msgspec.structs.replace(settings.current().settings, dir=str(root)))


@pytest.fixture
def there(tmp_path: Path, root: Path) -> Session:
    return session_at(tmp_path / "there")


@pytest.fixture
def exported(root: Path, tmp_path: Path) -> Session:
    """This machine's, with a run `one` and its child `two`."""
    with reticent.start_run("first", run_id="one") as run:
        for step in range(2000):
            run.log_metric("loss", step / 2, step)
        run.log_param("lr", 0.1)
        run.log_text("hello", "notes/ä b.txt")
        with reticent.start_run("second", run_id="two"):
            reticent.log_metric("loss", 1.0, 1)
    assert reticent.flush(30)
    deadline = time.monotonic() + 10
    while not all(has_ended(root / "runs" / name) for name in ("one", "two")):  # it notes the delivery
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return sessions.current()


def content(directory: Path) -> dict[str, bytes]:
    """All files below a directory."""
    return {
        path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }
