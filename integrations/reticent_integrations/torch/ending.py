"""When a training loop is over: nothing says so but that its optimizers are gone, or that the process ends."""

from __future__ import annotations

import atexit
import gc
import os
import queue
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from reticent.guard import swallowed

Job = Callable[[], None]

_watched: dict[int, weakref.ref[Any]] = {}
"""References by their own ids: two of one object are equal."""
atexit.register(_watched.clear)  # what is kept alive longer than this module's names is told of no more
_jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()  # may be put to by a destructor, wherever that comes in between
_worker: threading.Thread | None = None
_collecting: int | None = None
"""The thread in which Python collects garbage just now."""


def when_gone(thing: Any, job: Job) -> None:
    """Have `job()` done when an object is gone: at once if this thread has let go of it, as when a function returns.
    If it was collected as garbage, which may come in between anything, or by another thread: soon, in a thread of ours."""
    global _worker
    thread, pid = threading.get_ident(), os.getpid()
    if _worker is None or not _worker.is_alive():
        _worker = threading.Thread(target=_work, name="reticent-torch", daemon=True)
        _worker.start()

    def gone(this: weakref.ref[Any]) -> None:
        _watched.pop(id(this), None)
        if os.getpid() != pid:
            return
        if threading.get_ident() == thread and _collecting != thread:
            _do(job)
            _follow_collections()
        else:
            _jobs.put(job)

    reference = weakref.ref(thing, gone)
    _watched[id(reference)] = reference
    _follow_collections()


def _follow_collections() -> None:
    """Python tells of its collections while there is something to watch, and not after."""
    global _collecting
    while bool(_watched) != (_note in gc.callbacks):  # until it is so: another thread may come in between
        if _watched:
            _collecting = None
            gc.callbacks.append(_note)
        else:
            with suppress(ValueError):
                gc.callbacks.remove(_note)


def _note(phase: str, _: Any) -> None:
    global _collecting
    _collecting = threading.get_ident() if phase == "start" else None


def _work() -> None:
    while True:
        _do(_jobs.get())
        _follow_collections()


def _do(job: Job) -> None:
    with swallowed("torch integration (end of a training)"):
        job()
