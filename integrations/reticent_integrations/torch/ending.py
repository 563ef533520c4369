"""When a training loop is over: nothing says so but that its optimizers are gone, or that the process ends."""

from __future__ import annotations

import gc
import os
import queue
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import reticent
from reticent.guard import swallowed

if TYPE_CHECKING:
    from reticent.run import Run

Job = Callable[[], None]

_watched: dict[int, weakref.ref[Any]] = {}
"""References by their own ids: two of one object are equal."""
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


class Lease:
    """A run that was opened for a loop, or for a writer of summaries: it ends when all are gone that log to it."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.holders: set[int] = set()

    def leave(self, holder: object) -> None:
        self.holders.discard(id(holder))
        if not self.holders:
            self.end()

    def end(self, status: str = "FINISHED", error: BaseException | None = None) -> None:
        _leases.pop(self.run.run_id, None)
        self.run.end(status, error)


_leases: dict[str, Lease] = {}


def enter(holder: object, name: str | None = None, run_id: str | None = None) -> tuple[Run, Lease | None]:
    """The run of this context; or one that is opened here, under this name or as the one with this id goes on, which ends
    when its last holder has left it."""
    run = reticent.active_run()
    if run is None or not run.owned:  # of several forked workers, each would take its loop for the first in that run
        run = reticent.start_run(name, run_id=run_id)
        run.automatic = True
        _leases[run.run_id] = Lease(run)
    lease = _leases.get(run.run_id)
    if lease is not None:
        lease.holders.add(id(holder))
    return run, lease
