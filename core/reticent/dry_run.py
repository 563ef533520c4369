"""A dry run: all is captured, sealed and written as ever, but to a place of its own that goes with the process.

What was captured and hidden is told at its end. Child processes find the place in their environment, so that nothing of
theirs is stored either; the process that began the dry run tells of their runs too.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from reticent import sessions, settings
from reticent.errors import SettingsError
from reticent.guard import swallowed
from reticent.process import is_alive, machine_identity, this_process
from reticent.settings import DRY_RUN_PREFIX, DRY_RUN_VARIABLE

ENOUGH = 1e9
"""The least free space of a memory file system that is used: others (data loaders) need some too."""
FORGOTTEN_S = 7 * 86400.0
"""A place of a process that cannot be seen from here, unchanged for so long, is nobody's."""

_NAME = re.compile(rf"{DRY_RUN_PREFIX}([0-9a-f]{{8}})-(\d+)-(\d+)-\w+")

_root: Path | None = None
"""The place of a dry run that this process has begun."""
_begun_by: int | None = None
_told: set[str] = set()
"""The runs that were told of."""
_registered = False


def begin() -> None:
    """From here on store nothing. Raises SettingsError if a run is open whose beginning is stored."""
    global _root, _begun_by, _registered
    if DRY_RUN_VARIABLE in os.environ:
        return
    made = [sessions.current(), *sessions._former]
    stored = [run.name for one in made for run in list(one.runs.values()) if one.root != _root]
    if stored:
        raise SettingsError(f"autolog: dry_run=True while the run {stored[0]} is open, which is stored: end it before")
    with swallowed("removing what earlier dry runs left"):
        remove_left()
    if _root is None or _begun_by != os.getpid():
        _root, _begun_by = _make(), os.getpid()
        _told.clear()
    os.environ[DRY_RUN_VARIABLE] = str(_root)
    settings.configure()
    sessions.current()  # its end is that of the process
    if not _registered:
        _registered = True
        sessions.after_close.append(finish)


def end() -> None:
    """Tell what was captured, and store again what comes now. Nothing happens where no dry run was begun here."""
    if _root is None or _begun_by != os.getpid() or DRY_RUN_VARIABLE not in os.environ:
        return
    sessions.current().flush(None)
    _tell(_root)
    del os.environ[DRY_RUN_VARIABLE]
    settings.configure()


def finish() -> None:
    """Tell what was not yet told, and remove everything: the process ends."""
    global _root
    if _root is None or _begun_by != os.getpid():
        return
    root, _root = _root, None
    try:
        if os.environ.pop(DRY_RUN_VARIABLE, None) is not None or _untold(root):
            _tell(root, last=True)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def remove_left() -> None:
    """Remove the places of processes that were killed in a dry run."""
    for base in _bases():
        for path in base.glob(f"{DRY_RUN_PREFIX}*"):
            with suppress(OSError):
                if path.lstat().st_uid == os.getuid() and not path.is_symlink() and _is_left(path):
                    shutil.rmtree(path)


def _is_left(path: Path) -> bool:
    made = _NAME.fullmatch(path.name)
    if made is None:
        return False
    machine, pid, started = made[1], int(made[2]), int(made[3]) / 100
    if machine != _machine():  # of a container that shares the place, or from before the machine was started again
        return time.time() - path.stat().st_mtime > FORGOTTEN_S
    return not is_alive(machine_identity(), pid, started, last_sign=0.0)


def _make() -> Path:
    """A directory that only its owner reads; in memory, if there is a file system for that."""
    me = this_process()
    prefix = f"{DRY_RUN_PREFIX}{_machine()}-{me.pid}-{int(me.started * 100)}-"
    for base in _bases():
        with suppress(OSError):
            if base == _bases()[-1] or shutil.disk_usage(base).free >= ENOUGH:
                return Path(tempfile.mkdtemp(prefix=prefix, dir=base))
    raise SettingsError("autolog: dry_run=True needs a directory for temporary files, and there is none to write to")


def _bases() -> list[Path]:
    memory = Path("/dev/shm")  # noqa: S108 - the directory made there is private, and its name nobody can foresee
    return [*([memory] if sys.platform == "linux" and memory.is_dir() else []), Path(tempfile.gettempdir())]


def _machine() -> str:
    return hashlib.blake2b(machine_identity().encode(), digest_size=4).hexdigest()


def _untold(root: Path) -> list[Path]:
    with suppress(FileNotFoundError):
        return [path for path in (root / "runs").iterdir() if path.name not in _told]
    return []


def _tell(root: Path, last: bool = False) -> None:
    """Print the runs that have ended since the last time; of those that go on, at the end of the process."""
    from reticent.dry_run_report import print_report, read

    runs = [read(path) for path in _untold(root)]
    if not last:
        going_on = {run.run_id for run in runs if run.status == "RUNNING"}
        runs = [run for run in runs if not {run.run_id, run.parent_id} & going_on]
    _told.update(run.run_id for run in runs)
    print_report(runs)
