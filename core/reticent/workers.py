"""Worker processes of multiprocessing, concurrent.futures and joblib find the run that is open where they were started.

A process with an open run has a file under the root that says which. Its workers look there, not at what they were started
with: joblib's live on and work for the next run too.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from reticent.files import make_directory, read_note, write_note
from reticent.guard import swallowed
from reticent.process import ProcessIdentity, parent_process, this_process
from reticent.runlog import RUN_ID

if TYPE_CHECKING:
    from reticent.run import Run
    from reticent.session import Session

_LOOKS = 100


def show_open_run(session: Session) -> None:
    """Say which run the workers of this process are to log to, if that has changed."""
    from reticent import member

    with swallowed("showing the open run to workers"), session.showing:
        run_id = innermost([run for run in list(session.runs.values()) if run.thread is not None])
        if run_id == session.shown:
            return
        session.shown = run_id
        me = this_process()
        with suppress(OSError):  # a full disk: the records of the run tell of it
            member.show(session, run_id is not None)
            if run_id is None:
                _place(session.root, me).unlink(missing_ok=True)
            else:
                make_directory(session.root / "open")
                _write(_place(session.root, me), f"{me.started} {run_id}")


def open_run(session: Session) -> str | None:
    """The id of the run that is open in the process that this one is a worker of; None if there is no such."""
    parent = parent_process()
    return None if parent is None else run_shown_by(session, parent)


def run_shown_by(session: Session, process: ProcessIdentity) -> str | None:
    """The id of the run that a process has open; None if there is no such."""
    try:
        started, _, run_id = _read(_place(session.root, process)).partition(" ")
    except OSError:
        return None
    if not RUN_ID.fullmatch(run_id):
        return None
    return run_id if abs(float(started) - process.started) < 2.0 else None  # else of an earlier process with its pid


def end_left_run(session: Session) -> None:
    """In a worker: end what it logged for a run that has ended meanwhile."""
    run = session.implicit
    if run is not None and run.parent_id != open_run(session):
        run.end()


def _write(path: Path, text: str) -> None:
    """In place, with a checksum; what is left of a longer line before follows it, and is not read."""
    write_note(path, f"{zlib.crc32(text.encode()):08x} {text}\n".encode())


def _read(path: Path) -> str:
    """What was last written; "" if it was half written each time that it was looked at."""
    for _ in range(_LOOKS):
        check, _, text = read_note(path).partition(b"\n")[0].partition(b" ")
        if check == b"%08x" % zlib.crc32(text):
            return text.decode()
    return ""


@lru_cache(maxsize=16)
def _place(root: Path, process: ProcessIdentity) -> Path:
    machine = hashlib.blake2b(process.machine.encode(), digest_size=4).hexdigest()
    return root / "open" / f"{machine}-{process.pid}"


def innermost(runs: Iterable[Run]) -> str | None:
    """The innermost run that all of these are in, as nobody knows which of several is meant."""
    parents = {run.run_id: run.parent_id for run in runs}
    found: str | None = None
    while True:
        inner = [run_id for run_id, parent in parents.items() if (parent if parent in parents else None) == found]
        if len(inner) != 1:
            return found
        found = inner[0]
