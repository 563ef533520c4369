"""How far each store has got with each run: one small file per pair, outside the run, so that a run can be moved.

    <root>/delivery/<store>/<run_id>.json

The file's time is that of the run's directory when all of it had arrived, 0 before: what is outstanding is found without
opening a file.

`store` is a digest of the backend's URL and of what its `open` returned: a store that was emptied or replaced has
another one, and is given every run from the start.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from reticent.backends import RunUnavailableError, name_of
from reticent.files import LockedError, locked, make_directory, write_private
from reticent.guard import warn_once
from reticent.records import RunStarted
from reticent.runlog import RUN_ID, Cursor

_TICK = 1_000_000_000
"""No file system's clock is coarser (ns)."""


_OUTSTANDING = 0


class BusyError(RunUnavailableError):
    """Another process is delivering this run."""


class Progress(msgspec.Struct, omit_defaults=True):
    """One run's delivery to one store. `error` is sealed text."""

    cursor: Cursor = msgspec.field(default_factory=Cursor)
    delivered: int = 0
    rejected: int = 0
    complete: bool = False
    said: str = ""
    """The state in the newest `Delivery` record for this backend that the run log holds."""
    error: str = ""
    started: RunStarted | None = None
    mark: str = ""
    """What the backend noted with the last batch."""


class ProgressFiles:
    """The progress of all runs towards one store."""

    def __init__(self, root: Path, url: str, identity: str) -> None:
        digest = hashlib.blake2b(f"{url}\n{identity}".encode(), digest_size=6).hexdigest()
        self._runs = root / "runs"
        self.directory = root / "delivery" / f"{name_of(url)}-{digest}"
        self._versions: dict[str, tuple[int, int]] = {}
        """Of each run, its file as it was read or written here last."""

    @contextlib.contextmanager
    def claimed(self, run_id: str, wait_s: float) -> Iterator[None]:
        """While a run is delivered: no other process delivers it to this store. BusyError if one goes on doing so."""
        try:
            with locked(self.directory / f"{run_id}.lock", wait_s):
                yield
        except LockedError as error:
            raise BusyError(f"another process is delivering the run {run_id}") from error

    def stale(self, run_id: str) -> bool:
        """Whether another process has noted progress of a run since this one last did."""
        return self._versions.get(run_id) != _version(self._path(run_id))

    def load(self, run_id: str) -> Progress:
        self._versions[run_id] = _version(self._path(run_id))
        try:
            return msgspec.json.decode(self._path(run_id).read_bytes(), type=Progress)
        except (FileNotFoundError, msgspec.DecodeError):
            return Progress()  # from the start: writes are idempotent

    def save(self, run_id: str, progress: Progress) -> None:
        """Keep the progress of a run, which stays outstanding until it is settled."""
        write_private(self._path(run_id), msgspec.json.encode(progress), _OUTSTANDING)
        self._versions[run_id] = _version(self._path(run_id))

    def outstanding(self) -> Iterator[str]:
        """The ids of the runs that may hold something this store has not got, oldest first."""
        make_directory(self.directory)
        settled = _changed(self.directory)
        for changed, run_id in sorted((changed, name) for name, changed in _changed(self._runs).items()):
            if not (self._runs / run_id).is_dir():
                continue
            if not RUN_ID.fullmatch(run_id):
                warn_once(
                    "names of runs", f"a directory in {self._runs} has a name that no run can have; it is ignored"
                )
                continue
            if changed != settled.get(f"{run_id}.json", 0):  # earlier, where the clock was set back
                yield run_id

    def changed(self, run_id: str) -> int:
        """When a file was last added to a run (ns, by its file system's clock): a writer was opened, or opened again."""
        try:
            return (self._runs / run_id).stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def settle(self, run_id: str, seen: int) -> None:
        """Have a complete run not be outstanding until a file is added to it. `seen`: `changed` before it was read."""
        clock = self.directory / "clock"  # not the file itself: whoever dies in between would settle what came since
        write_private(clock, b"")
        if clock.stat().st_mtime_ns - seen < _TICK:
            seen -= 1  # one that was added after the look may have the same time: look once more
        os.utime(self._path(run_id), ns=(seen, seen))
        self._versions[run_id] = _version(self._path(run_id))
        (self.directory / f"{run_id}.lock").unlink(missing_ok=True)

    def _path(self, run_id: str) -> Path:
        return self.directory / f"{run_id}.json"


def known(root: Path, run_id: str) -> dict[str, tuple[Progress, float]]:
    """How far each backend has got with a run, by the backends' names, and when it last got something (s).

    Of several stores of one backend that is told which was given something last.
    """
    newest: dict[str, tuple[Progress, float]] = {}
    for path in (root / "delivery").glob(f"*/{run_id}.json"):
        name = path.parent.name.rpartition("-")[0]
        try:
            status = path.stat()
            progress = msgspec.json.decode(path.read_bytes(), type=Progress)
            if abs((root / "runs" / run_id).stat().st_mtime_ns - status.st_mtime_ns) > _TICK:
                progress.complete = False  # something was added since
        except (FileNotFoundError, msgspec.DecodeError):
            continue
        if name not in newest or newest[name][1] < status.st_ctime:  # the time of change: the other one is set
            newest[name] = progress, status.st_ctime
    return newest


def unsettled(root: Path, backends: Mapping[str, int]) -> set[str]:
    """The runs that may not have arrived whole, by the backends' names and how many stores each has; as the files tell it,
    without asking a store."""
    runs = _changed(root / "runs")
    found: set[str] = set()
    for name, count in backends.items():
        stores = [path for path in (root / "delivery").glob(f"{name}-*") if path.name.rpartition("-")[0] == name]
        newest = sorted(stores, key=lambda path: path.stat().st_mtime)[-count:]
        if len(newest) < count:  # one that was never reached
            return set(runs)
        for store in newest:
            settled = _changed(store)
            found |= {one for one, changed in runs.items() if abs(changed - settled.get(f"{one}.json", 0)) > _TICK}
    return found


def set_back(run: Path) -> set[str]:
    """Have every store get a run anew, whose directory this is; the names of the backends that have had something of it.

    Positions in its old files mean nothing in the new ones.
    """
    had = set()
    for path in (run.parent.parent / "delivery").glob(f"*/{run.name}.json"):
        try:
            progress = msgspec.json.decode(path.read_bytes(), type=Progress)
        except (FileNotFoundError, msgspec.DecodeError):
            continue
        has_some = bool(progress.delivered or progress.said)
        if has_some:
            had.add(path.parent.name.rpartition("-")[0])
        said = progress.said or ("pending" if has_some else "")
        write_private(path, msgspec.json.encode(Progress(said=said)), _OUTSTANDING)
    return had


def _version(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except FileNotFoundError:
        return 0, 0
    return status.st_ino, status.st_mtime_ns


def _changed(directory: Path) -> dict[str, int]:
    """When each entry of a directory was changed; without those that another process has just renamed or removed."""
    found = {}
    with contextlib.suppress(FileNotFoundError), os.scandir(directory) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                found[entry.name] = entry.stat().st_mtime_ns
    return found
