"""What a command shows while a person waits for what it reads: on stderr, and only if it takes a while."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

from reticent.cli import render
from reticent.sessions import current

PATIENCE_S = 0.5


@contextmanager
def progress_shown() -> Iterator[None]:
    """While run logs are read: what is done, and how far it is. Nothing where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield
        return
    session = current()
    progress = Progress(
        SpinnerColumn(style=render.DIM),
        TextColumn("{task.description}", markup=False),
        BarColumn(20),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=render.console(stderr=True),
        transient=True,
    )
    task = progress.add_task("reading run logs", total=None)

    def working(what: str, done: int, total: int) -> None:
        progress.update(task, description=render.literal(what, limit=60).plain, completed=done, total=total)

    before, session.working = session.working, working
    late = threading.Timer(PATIENCE_S, progress.start)
    late.daemon = True
    late.start()
    try:
        yield
    finally:
        late.cancel()
        late.join()
        if progress.live.is_started:
            progress.stop()
        session.working = before
