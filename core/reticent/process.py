"""Processes: who this one is, whether another one still lives, what happens at exit and at SIGTERM.

The only module with differences between operating systems in how processes behave, apart from `forks`; `files` has those of
file systems.
"""

from __future__ import annotations

import atexit
import faulthandler
import os
import signal
import socket
import sys
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from reticent.files import open_private
from reticent.ownfile import OwnDescriptor

_NOT_MARKED = object()
_handler: object = _NOT_MARKED
"""What Python had as the handler of SIGTERM when it was marked."""
_mark: tuple[Path, OwnDescriptor] | None = None
"""The file in which SIGTERM leaves its mark."""

_told_at_fork: list[Callable[[], None]] = []
"""What multiprocessing has been told to run at the end of each child that it forks."""

HEARTBEAT_S = 10.0
"""A writer touches its event file this often; one silent for three times as long, on another machine, is gone."""


class ProcessIdentity(NamedTuple):
    host: str
    machine: str
    pid: int
    started: float


@lru_cache(maxsize=1)
def machine_identity() -> str:
    """Equal for two processes exactly when each can see the other's pid."""
    parts = [socket.gethostname()]
    try:
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(str(os.stat("/proc/self/ns/pid").st_ino))
    except OSError:  # not Linux: the host name has to do
        parts.append(sys.platform)
    return ":".join(parts)


def this_process() -> ProcessIdentity:
    return _identity(os.getpid())


def parent_process() -> ProcessIdentity | None:
    """The process that this one was started by as a worker, by multiprocessing or what is built on it, such as
    concurrent.futures and joblib; None: it is no worker, or that process is gone."""
    multiprocessing = sys.modules.get("multiprocessing.process")
    parent = None if multiprocessing is None else multiprocessing.parent_process()
    return None if parent is None else identity_of(parent.pid)


def identity_of(pid: int) -> ProcessIdentity | None:
    """Another process of this machine; None if it is gone."""
    import psutil

    try:
        return _identity(pid)
    except psutil.Error:
        return None


@lru_cache(maxsize=4)
def _identity(pid: int) -> ProcessIdentity:
    return ProcessIdentity(socket.gethostname(), machine_identity(), pid, _started(pid))


def _started(pid: int) -> float:
    """When a process began, in seconds. psutil.NoSuchProcess if it is gone.

    On Linux since the machine was started: by the clock, which psutil goes by, it changes when that is set.
    """
    import psutil

    if sys.platform != "linux":
        return psutil.Process(pid).create_time()
    try:
        ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        raise psutil.NoSuchProcess(pid) from None
    return int(ticks) / os.sysconf("SC_CLK_TCK")


def is_alive(machine: str, pid: int, started: float, last_sign: float) -> bool:
    """Whether that process still runs: by its pid if we can see it, else by its last sign of life (epoch seconds)."""
    if machine != machine_identity():
        return time.time() - last_sign < 3 * HEARTBEAT_S
    if pid == os.getpid():
        return abs(this_process().started - started) < 2.0
    import psutil

    try:
        return abs(_started(pid) - started) < 2.0 and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def at_exit(action: Callable[[], None]) -> None:
    """Run `action` when this process ends in an orderly way, also as a child of multiprocessing (no atexit there)."""
    if _is_worker():
        _finalize(action)
    else:
        # Python removes temporary directories in an exit handler that it registers with the first finalizer, and the last
        # one registered is called first: ours still needs them.
        weakref.finalize(action, int).atexit = False
        atexit.register(action)


def at_exit_of_fork(action: Callable[[], None]) -> None:
    """In a process that has just been forked: run there too what `at_exit` was told where it comes from.

    atexit has inherited it. The finalizers of multiprocessing have not, and if it makes this process a child of its own, it
    forgets as that begins what they are told until then.
    """
    if _is_worker():
        _finalize(action)
    util = sys.modules.get("multiprocessing.util")
    if util is not None and action not in _told_at_fork:
        _told_at_fork.append(action)  # whoever is forked from here knows it as well
        util.register_after_fork(action, _finalize)


def _is_worker() -> bool:
    multiprocessing = sys.modules.get("multiprocessing.process")
    return multiprocessing is not None and multiprocessing.parent_process() is not None


def _finalize(action: Callable[[], None]) -> None:
    from multiprocessing.util import Finalize

    Finalize(None, action, exitpriority=1)


def mark_sigterm(path: Path) -> None:
    """Have SIGTERM leave a mark in a file (a stack trace) and then do what it did before. OSError if it cannot be made.

    By faulthandler: its handler is C, so it acts at once also while the main thread is inside a long native call, it
    leaves `signal.getsignal` as it was, and the default action still ends the process with its usual exit status.
    """
    global _handler, _mark
    if hasattr(faulthandler, "register") and not _has_native_handler():
        _mark = path, _open_mark(path)
        _handler = signal.getsignal(signal.SIGTERM)
        faulthandler.register(signal.SIGTERM, file=_mark[1].number, all_threads=False, chain=True)


def renew_sigterm_mark() -> None:
    """Open the mark's file again if the program has closed it."""
    global _mark
    if _mark is not None and _mark[1].lost() and signal.getsignal(signal.SIGTERM) is _handler:
        _mark = _mark[0], _open_mark(_mark[0])
        faulthandler.register(signal.SIGTERM, file=_mark[1].number, all_threads=False, chain=True)


def unmark_sigterm() -> None:
    """Have SIGTERM do what it did before `mark_sigterm`, unless somebody has set another handler since."""
    global _handler, _mark
    if _handler is not _NOT_MARKED and signal.getsignal(signal.SIGTERM) is _handler:
        faulthandler.unregister(signal.SIGTERM)
    _handler = _NOT_MARKED
    if _mark is not None:
        _mark[1].close()
        _mark = None


def _open_mark(path: Path) -> OwnDescriptor:
    """The file by a high number: faulthandler cannot look whose file it writes to, and the files that a program opens
    after it has closed ours get low ones."""
    number = open_private(path, os.O_WRONLY | os.O_APPEND)
    if sys.platform != "win32":
        import fcntl
        import resource

        allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        high = 1024 if allowed == resource.RLIM_INFINITY else min(allowed, 1024)
        with suppress(OSError):
            low, number = number, fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, max(high - 32, 0))
            os.close(low)
    return OwnDescriptor(number)


def _has_native_handler() -> bool:
    """Whether a handler is installed that is not Python's: of a library, or the user's own faulthandler."""
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return False
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return False
    (caught,) = [line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")]
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)
