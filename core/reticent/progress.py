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
from reticent.decoding import decodable
from reticent.files import LockedError, change_times, locked, make_directory, write_note, write_private
from reticent.guard import warn_once
from reticent.records import RunStarted
from reticent.runlog import RUN_ID, Cursor

_TICK = 1_000_000_000
"""Times that are not further apart are those of one change (ns), where nothing but what is shown depends on it."""


_OUTSTANDING = 0


class BusyError(RunUnavailableError):
    """Another process is delivering this run."""


@decodable
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
            with locked(self._lock(run_id), wait_s):
                yield
        except LockedError as error:
            raise BusyError(f"another process is delivering the run {run_id}") from error

    def stale(self, run_id: str) -> bool:
        """Whether another process has noted progress of a run since this one last did."""
        return self._versions.get(run_id) != _version(self._path(run_id))

    def load(self, run_id: str) -> Progress:
        self._versions[run_id] = _version(self._path(run_id))
        try:
            return msgspec.json.decode(Path(self._path(run_id)).read_bytes(), type=Progress)
        except (FileNotFoundError, msgspec.DecodeError):
            return Progress()  # from the start: writes are idempotent

    def save(self, run_id: str, progress: Progress) -> None:
        """Keep the progress of a run, which stays outstanding until it is settled."""
        write_private(self._path(run_id), msgspec.json.encode(progress), _OUTSTANDING)
        self._versions[run_id] = _version(self._path(run_id))

    def outstanding(self) -> list[str]:
        """The ids of the runs that may hold something this store has not got, oldest first."""
        make_directory(self.directory)
        settled = change_times(self.directory)
        found = [
            (changed, run_id)
            for run_id, changed in change_times(self._runs).items()
            if _is_other(changed, settled.get(f"{run_id}.json", _OUTSTANDING))
        ]
        return [run_id for _, run_id in sorted(found) if self._is_run(run_id)]

    def is_outstanding(self, run_id: str) -> bool:
        """Whether one run may hold something this store has not got; no other one is looked at."""
        changed, settled = _change_time(self._runs / run_id), _change_time(self._path(run_id))
        return _is_other(changed, settled) and self._is_run(run_id)

    def _is_run(self, name: str) -> bool:
        if not (self._runs / name).is_dir():
            return False
        if RUN_ID.fullmatch(name):
            return True
        warn_once("names of runs", f"a directory in {self._runs} has a name that no run can have; it is ignored")
        return False

    def look(self, run_id: str) -> int:
        """When a file was last added to a run (ns, by its file system's clock): a writer was opened, or opened again.

        A time that the run never has, if what is added from now on may have the same one: it is then looked at once more.
        """
        now = self._clock()
        changed = _change_time(f"{self._runs}/{run_id}")
        return changed if changed < now else changed - 1

    def settle(self, run_id: str, seen: int) -> None:
        """Have a complete run not be outstanding until a file is added to it. `seen`: from `look`, before it was read."""
        os.utime(self._path(run_id), ns=(seen, seen))
        self._versions[run_id] = _version(self._path(run_id))
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._lock(run_id))

    def _clock(self) -> int:
        """The file system's time, which what is changed later is not before. A server may have another than this machine."""
        clock = self.directory / "clock"
        write_note(clock, b"\n")
        return _change_time(clock)

    def _path(self, run_id: str) -> str:
        return f"{self.directory}/{run_id}.json"  # text: of many runs a path takes longer to make than to look at

    def _lock(self, run_id: str) -> str:
        return f"{self.directory}/{run_id}.lock"


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
    runs = change_times(root / "runs")
    found: set[str] = set()
    for name, count in backends.items():
        stores = [path for path in (root / "delivery").glob(f"{name}-*") if path.name.rpartition("-")[0] == name]
        newest = sorted(stores, key=lambda path: path.stat().st_mtime)[-count:]
        if len(newest) < count:  # one that was never reached
            return set(runs)
        for store in newest:
            settled = change_times(store)
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


def _version(path: str) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return 0, 0
    return status.st_ino, status.st_mtime_ns


def _is_other(changed: int, settled: int) -> bool:
    """Whether a run has changed since it was settled, if it ever was. Earlier than that, where the clock was set back."""
    return changed != settled or settled == _OUTSTANDING


def _change_time(path: Path | str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except FileNotFoundError:
        return _OUTSTANDING
