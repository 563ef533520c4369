"""How a process ends: with which status its open runs end, and what is still delivered before it does."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from reticent import member, ranks
from reticent.files import make_directory
from reticent.filing import DRAWING
from reticent.forks import after_fork_in_child
from reticent.guard import logger, swallowed, tried
from reticent.outcome import status_of
from reticent.process import mark_sigterm, this_process, unmark_sigterm
from reticent.recovery import sigterm_mark
from reticent.session import Session
from reticent.sessions import open_runs

if TYPE_CHECKING:
    from reticent.run import Run

_LATE = {
    DRAWING: "the process ended before it was drawn; its data is in the JSON file of the same name",
    "finishing a model": "the process ended before it was finished; the next one that reads the run does it",
}
"""What becomes of work that another process would have done, by its kind."""
GRACE_S = 5.0
"""After the deadline, for what is done here: compiled code that comes back into an interpreter that ends aborts the
process."""

_ending: BaseException | None = None
"""What ends this process: an uncaught exception, or `sys.exit` with another code than 0."""
_watching_pid: int | None = None
_lock = threading.RLock()
_ours: WeakSet[Callable[..., Any]] = WeakSet()
"""Our hooks for uncaught errors."""
_under_way: set[tuple[int, int]] = set()
"""The hooks of others that are called by ours: in which thread, and which ones."""
_mark: Path | None = None
_cell_began = 0.0
_open_before: set[str] = set()
"""The runs that were open when the cell of a notebook began."""
_shown_before: object = None
"""The error that was the last one to be shown then. Itself, as another one may get its id when it is gone."""


def watch(root: Path) -> None:
    """Have the open runs of this process get the status that it ends with, whatever ends it. Called whenever a run starts:
    others may have set hooks of theirs since the last one."""
    with _lock:
        _watch(root)


def _watch(root: Path) -> None:
    global _watching_pid, _mark
    if not _is_ours(sys.excepthook):
        sys.excepthook = _before(sys.excepthook, _see, sys.__excepthook__)
    if not _is_ours(threading.excepthook):
        threading.excepthook = _before(threading.excepthook, _see_in_thread, threading.__excepthook__)
    if _watching_pid == os.getpid():
        return
    if _watching_pid is None:  # else it was forked from one that has done it
        sys.exit = _exit(sys.exit)  # the only way to see its code at exit
    _watching_pid = os.getpid()
    _watch_cells()
    path = sigterm_mark(root, this_process())
    with suppress(OSError):  # a disk that refuses now is told by the run's first record
        make_directory(path.parent)
        mark_sigterm(path)
        _mark = path


def close(sessions: list[Session]) -> None:
    """End open runs, finish background work and deliveries by one deadline, and say what is left to a later process."""
    timeout_s = max(session.settings.exit_timeout_s for session in sessions)
    deadline = time.monotonic() + timeout_s
    # A worker of multiprocessing comes here while the error that ends it is under way, and calls no excepthook.
    ending = _ending or sys.exc_info()[1]
    for session in sessions:
        for run in list(session.runs.values())[::-1]:
            run.end(status_of(ending), ending)
        session.take_back()
    queues = [queue for session in sessions for queue in (session.pictures, session.models)]
    # What is begun here has to come to its end: half of the time is for that, and for sealing and delivering it.
    if not _flush(sessions, min(deadline, time.monotonic() + 1.0)) and not _wait(sessions, deadline - timeout_s / 2):
        for kind, report in dict.fromkeys(dropped for queue in queues for dropped in queue.drop()):
            report(kind, TimeoutError(_LATE[kind]))
        _wait(sessions, deadline)
    for session in sessions:
        session.work_here_done(time.monotonic() + GRACE_S)
    unsealed = sum(session.working_on() for session in sessions)
    if unsealed:
        logger.warning("reticent: not sealed in time: %d of the files or models; `reticent sync` does it", unsealed)
    alone = member.alone(sessions[0]) if ranks.follows() else None
    if alone is not None:
        logger.warning("reticent: %s", alone)
    left: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    for session in sessions:
        for recorder in session.losing.values():
            lost += recorder.losses()
        for sender in session.delivering():
            left[sender.name] += len(sender.give_up())
        session.model_aside.close()
    if +left:
        names = ", ".join(f"{name} ({count} runs)" for name, count in (+left).items())
        logger.warning("reticent: not all delivered in time to %s; kept for the next run or `reticent sync`", names)
    if lost:
        logger.warning("reticent: lost: %s", ", ".join(f"{count} {what}" for what, count in lost.items()))
    _unwatch()
    if isinstance(_ending, KeyboardInterrupt):
        _interrupt_again()


def _flush(sessions: list[Session], deadline: float) -> bool:
    results = [session.flush(max(0.0, deadline - time.monotonic())) for session in sessions]
    return all(results)


def _wait(sessions: list[Session], deadline: float) -> bool:
    """Wait for background work and deliveries, with a progress bar if a person is looking; whether all is done."""
    if not sys.stderr.isatty():
        return _flush(sessions, deadline)
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    start = time.monotonic()
    columns = (TextColumn("reticent: delivering"), BarColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=deadline - start)
        while time.monotonic() < deadline:
            if _flush(sessions, min(deadline, time.monotonic() + 0.1)):
                return True
            senders = [sender for session in sessions for sender in session.delivering() if sender.pending()]
            if all(sender.gone for sender in senders) and not any(one.working_on() for one in sessions):
                return True
            names = {sender.name for sender in senders}
            left = max(0.0, deadline - time.monotonic())
            text = f"{', '.join(sorted(names)) or 'work in the background'}, {left:.0f} s at most"
            progress.update(task, completed=time.monotonic() - start, description=text)
    return False


def _interrupt_again() -> None:
    """Have Python exit as it does after Ctrl-C. It has forgotten that if C code has run some Python meanwhile,
    as modules of Cython do when they are imported."""
    if hasattr(sys, "ps1"):
        return  # at a prompt the interrupt was not the end
    import ctypes

    run = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_char_p, ctypes.c_int, ctypes.py_object, ctypes.py_object)
    file_input = 257
    with suppress(KeyboardInterrupt):
        run(("PyRun_String", ctypes.pythonapi))(b"raise KeyboardInterrupt", file_input, {}, {})


def _unwatch() -> None:
    global _mark
    unmark_sigterm()
    if _mark is not None:
        _mark.unlink(missing_ok=True)
        _mark = None


def _before(hook: Callable[..., Any], see: Callable[..., None], builtin: Callable[..., Any]) -> Callable[..., Any]:
    """A hook for uncaught errors that sees them before another one does."""

    def excepthook(*args: Any) -> Any:
        this = threading.get_ident(), id(hook)
        if this in _under_way:  # it has been set again since, and goes on to what it found then: to this one
            return builtin(*args)
        _under_way.add(this)
        try:
            see(*args)
            return hook(*args)
        finally:
            _under_way.discard(this)

    _ours.add(excepthook)
    return excepthook


def _is_ours(hook: Callable[..., Any]) -> bool:
    return any(hook is one for one in _ours)


def _see(_: type[BaseException], error: BaseException, __: TracebackType | None) -> None:
    global _ending
    if not _goes_on(sys._getframe()):
        _ending = error


def _see_in_thread(args: Any) -> None:
    _end_loops(args.exc_value)


def _goes_on(frame: FrameType | None) -> bool:
    """Whether a script or a console still runs, which has had an error shown and takes the next line."""
    while frame is not None and frame.f_code.co_name != "<module>":
        frame = frame.f_back
    return frame is not None


def _exit(original: Callable[..., Any]) -> Callable[..., Any]:
    def exit(status: Any = None, /) -> Any:
        global _ending
        if status not in (None, 0):
            _ending = SystemExit(status)
            error = sys.exc_info()[1]
            if error is not None:
                _end_loops(error)
        return original(status)

    return exit


def _end_loops(error: BaseException | None, concerns: Callable[[Run], bool] = lambda _: True) -> None:
    """An error ends this thread, or has the process ended: so it does the loops that have begun here. When it is let go of,
    so is all that they hold, and that is how they end otherwise."""
    with swallowed("the end of a loop"):
        for run in open_runs()[::-1]:
            if run.holding.by == "loop" and run.thread == threading.get_ident() and concerns(run):
                run.end(status_of(error), error)


def _watch_cells() -> None:
    """IPython shows the error of a cell and takes the next one: none of Python's hooks sees it."""
    global _shown_before
    _shown_before = getattr(sys, "last_value", None)
    ipython = sys.modules.get("IPython")
    with tried():  # of a version with other names it is not known then
        shell = ipython.get_ipython() if ipython is not None else None
        if shell is not None:
            shell.events.register("pre_run_cell", _cell_begins)
            shell.events.register("post_run_cell", _cell_ended)


def _cell_begins(_: Any = None) -> None:
    global _cell_began, _open_before, _shown_before
    with swallowed("a cell of a notebook"):
        _shown_before = getattr(sys, "last_value", None)
        _cell_began, _open_before = time.perf_counter(), {run.run_id for run in open_runs()}


def _cell_ended(result: Any = None) -> None:
    global _ending
    _ending = None  # the process goes on, even after `sys.exit(1)`
    error = getattr(result, "error_before_exec", None) or getattr(result, "error_in_exec", None)
    shown = getattr(sys, "last_value", None)
    if error is None and shown is not _shown_before:
        error = shown  # by `%run`, which ends a script and not the cell
    if isinstance(error, BaseException):
        _end_loops(error, _is_of_cell)
    with swallowed("a cell of a notebook"):
        for run in open_runs():
            if run.holding.last_step():
                run.holding.gives_way = True  # what another cell trains is no part of this one's loop


def _is_of_cell(run: Run) -> bool:
    """Whether a loop has been at work since the cell began. That of an earlier cell has nothing to do with its error."""
    return run.run_id not in _open_before or run.holding.last_step() >= _cell_began


def _forked() -> None:
    global _lock, _mark, _ending
    unmark_sigterm()
    _lock = threading.RLock()
    _mark = None
    _ending = None


after_fork_in_child(_forked)
