"""A root of its own for a test, and a process that has forgotten the test afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reticent import aside, autologging, closing, dry_run, guard, run, sessions, settings


@contextmanager
def isolated(root: Path, backends: str = "sqlite") -> Iterator[Path]:
    """Log under `root`, deliver to `backends` (comma-separated), and raise errors of ours, which users never see.

    What git says of the tests' own repository is not captured, nor the load of the machine: no test is to depend on them.
    Pictures are drawn in
    this process: starting another for each test takes a second.
    At the end autologging is off, runs are ended and delivered, and settings are read anew.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RETICENT_DIR", str(root))
        patch.setenv("RETICENT_BACKENDS", backends)
        patch.setenv("RETICENT_CAPTURE", '{"git": false, "system_s": 0}')
        patch.setattr(guard, "strict", True)
        patch.setattr(aside, "child_command", _no_child)
        patch.setattr(guard, "_told", set())
        settings.reset()
        try:
            yield root
        finally:
            autologging.autolog(disable=True)
            _close_sessions()
            dry_run.finish()
    settings.reset()


def _close_sessions() -> None:
    made = [one for one in (sessions._session, *sessions._former) if one is not None]
    sessions._session = None
    sessions._former.clear()
    run.active.set(None)
    if made:
        closing.close(made)
    for one in made:
        for sender in one._senders.values():
            sender.stop()
            sender.close()
        for queue in (one.checkpoints, one.background, one.pictures, one.models, one.trials):
            queue.stop()


def _no_child(_: int) -> list[str]:
    raise OSError("no child in tests")
