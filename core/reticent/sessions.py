"""The sessions of this process: the current one, made on first use and never at import, and those before it.

A forked child makes one of its own; the end of the process closes them all within one deadline.
"""

from __future__ import annotations

import logging  # noqa: F401 - it takes its lock before a fork: what is registered later comes before that
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from reticent import aside
from reticent import settings as settings_module
from reticent.forks import after_fork_in_child, before_fork, wait_for_imports
from reticent.guard import swallowed
from reticent.process import at_exit, at_exit_of_fork
from reticent.session import Session

if TYPE_CHECKING:
    from reticent.run import Run

_lock = threading.RLock()
_session: Session | None = None
_former: list[Session] = []
"""Sessions whose settings were changed; their runs go on as they began."""
_exit_registered_by: int | None = None
_is_forked = False
after_close: list[Callable[[], None]] = []
"""What is done at the end of the process when everything is closed."""


def current() -> Session:
    """This process's session. Raises SettingsError if a setting is wrong."""
    global _session, _exit_registered_by
    session = _session
    if session is not None and session.settings is settings_module.current().settings:
        return session
    with _lock:
        while (former := _session) is None or former.settings is not settings_module.current().settings:
            new = Session(settings_module.current().settings)
            if former is not None:
                new.redactor.inherit(former.redactor)
                new.begun = former.begun
            if _session is not former:
                continue  # a signal's handler has made another one meanwhile
            _session = new  # only now: other threads log by it at once
            if former is not None and (former.runs or former.writers):
                _former.append(former)
        if _exit_registered_by != os.getpid():
            _exit_registered_by = os.getpid()
            at_exit(_close)
        return former


def keep(session: Session) -> None:
    """In which a run has just begun: another thread may have changed the settings since that one asked for it."""
    if session is not _session:
        with _lock:
            if session is not _session and session not in _former:
                _former.append(session)


def open_runs() -> list[Run]:
    """Those of this process, the latest last. Makes no session, and asks no settings, which may be wrong."""
    return [run for session in made() for run in list(session.runs.values())]


def made() -> list[Session]:
    """Those that have runs, or may have, the current one last."""
    return [*_former, *([] if _session is None else [_session])]


def _close() -> None:
    """At the end of the process: end open runs, then finish what background and backends still have to do, in time."""
    from reticent.closing import close

    aside.is_ending = True
    sessions = [_session, *_former] if _session is not None and _exit_registered_by == os.getpid() else []
    if _is_forked and all(session.is_unused() for session in sessions):
        return  # a loader of data, say, which has no use for us
    if sessions:
        with (
            swallowed("the end of the process"),
            suppress(KeyboardInterrupt, SystemExit),
        ):  # who ends it again waits for nothing
            close(sessions)
        for action in after_close:
            with swallowed("the end of the process"):
                action()


def _forked() -> None:
    """In a forked child: leave everything to the parent, but let open runs be logged to from here too, and have what comes
    of that done at the end of this process."""
    global _session, _lock, _is_forked, _exit_registered_by
    _lock, _is_forked = threading.RLock(), True
    parents, _session = [_session, *_former], None
    _former.clear()
    with swallowed("fork"):
        for parent in parents:
            if parent is not None:
                _session = _session or Session(parent.settings)
                _session.redactor.inherit(parent.redactor)
                for writer in parent.writers.values():
                    writer.forked()
                _session.writers.update(parent.writers)
                for run in [*parent.runs.values(), *parent.inherited]:
                    run.forked(_session)
                    _session.inherited.append(run)
        if _session is not None:
            _exit_registered_by = os.getpid()
            at_exit_of_fork(_close)


before_fork(wait_for_imports)
after_fork_in_child(_forked)
