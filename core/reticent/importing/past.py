"""Writes a run that is over as if it had been logged by us."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from reticent.bundle.workplace import workplace
from reticent.errors import SourceError
from reticent.progress import set_back
from reticent.records import LATEST, METRIC, RunStarted, RunStatus
from reticent.run import Run
from reticent.session import Session

FROM_TAG = "imported.from"
ID_TAG = "imported.id"

_WORK_S = 3600.0
"""So long the files of one run may take to be sealed."""


class Point(NamedTuple):
    key: str
    value: float
    step: int
    time: float


@dataclass(frozen=True)
class PastRun:
    """One run of another tracker. What is large is asked for when it is needed."""

    id: str
    """By which the tracker knows it."""
    name: str
    experiment: str
    status: RunStatus
    """RUNNING: the tracker believes that it goes on."""
    start: float
    end: float | None
    parent: str | None = None
    params: Mapping[str, object] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    points: Callable[[], Iterable[Point]] = tuple
    datasets: Sequence[Mapping[str, Any]] = ()
    """What `Run.log_dataset` takes."""
    files: Callable[[Path], Iterable[Path]] = lambda _: ()
    """Puts one artifact after another below a directory, and says which; each is removed when the next is asked for."""
    left_out: Sequence[str] = ()
    """What the tracker has of it that cannot be brought in; looked at when points and files have been asked for."""


@dataclass
class Counts:
    new: list[tuple[str, str]] = field(default_factory=list)
    """Our id of each run, and its name."""
    known: int = 0
    """Imported before."""
    running: int = 0
    """Left out because they may go on."""
    failed: list[tuple[str, str]] = field(default_factory=list)
    """The tracker's id of each run that could not be read, and why."""


def bring_in(session: Session, tracker: str, runs: Iterable[PastRun], *, unfinished: bool) -> Counts:
    """Import the runs that were not imported before. `unfinished`: also those that are RUNNING, which become CRASHED.

    Each is put together where nothing looks and shown when it is whole, so an import that is killed can just be done again.
    """
    counts = Counts()
    session.prepare_root()
    with workplace(session.root) as place:
        # Of a large file there will be no other copy to refer to.
        settings = msgspec.structs.replace(session.settings, dir=str(place), backends=(), max_artifact_mb=math.inf)
        aside = Session(settings)
        aside.redactor.inherit(session.redactor)
        try:
            for past in runs:
                run_id = our_id(tracker, past.id)
                if os.path.lexists(session.run_directory(run_id)):
                    counts.known += 1
                elif past.status is RunStatus.RUNNING and not unfinished:
                    counts.running += 1
                else:
                    session.working(f"importing {past.name}", len(counts.new), len(counts.new) + 1)
                    try:
                        _write(aside, tracker, past, place / "files")
                    except SourceError as error:  # the others can be had nevertheless
                        counts.failed.append((past.id, aside.seal("warning", str(error))))
                        continue
                    set_back(session.run_directory(run_id))
                    os.rename(aside.run_directory(run_id), session.run_directory(run_id))
                    counts.new.append((run_id, aside.seal("run name", past.name)))
        finally:
            aside.background.stop()
    return counts


def our_id(tracker: str, run_id: str) -> str:
    """The id that a run of another tracker has here, always the same one."""
    return blake2b(f"{tracker}\n{run_id}".encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def _write(session: Session, tracker: str, past: PastRun, files: Path) -> None:
    """The whole log of a run that is over. SourceError if not all of it could be written: nothing of it is kept then."""
    started = RunStarted(
        time=_time(past.start),
        run_id=our_id(tracker, past.id),
        name=session.seal("run name", past.name),
        experiment=session.seal("experiment name", past.experiment),
        parent_id=None if past.parent is None else our_id(tracker, past.parent),
    )
    # By the same name each time: a store that has had the run knows its points again if it was deleted here since.
    session.log_writer(started.run_id).name = "imported"
    run = _Past(session, started)
    try:
        _fill(run, tracker, past, files)
    finally:
        last = run.last if past.end is None else past.end
        status = RunStatus.CRASHED if past.status is RunStatus.RUNNING else past.status
        run.end(status, end_time=_time(max(last, past.start)))
    done = session.work_done(time.monotonic() + _WORK_S)
    session.close_ended()
    if not done or run.lost():
        raise SourceError(
            f"the run {past.id} of {tracker} cannot be written here ({run.lost() or 'it takes too long'})"
        )


def _fill(run: _Past, tracker: str, past: PastRun, files: Path) -> None:
    run.set_tags({**past.tags, FROM_TAG: tracker, ID_TAG: past.id})
    run.log_params(past.params)
    for told in past.datasets:
        run.log_dataset(**told)
    run.log_points(past.points())
    for file in past.files(files):
        run.log_artifact_as(file, file.relative_to(files).as_posix())
        file.unlink()  # a snapshot was taken
    for what in past.left_out:
        run.warn("imported in part", what)


class _Past(Run):
    """A run whose points have times of their own."""

    last = 0.0
    """The time of its newest point."""

    def log_points(self, points: Iterable[Point]) -> None:
        append, key_of, pack = self._recorder.append_metric, self._recorder.metric_key, METRIC.pack
        for key, value, step, moment in points:
            moment = _time(moment) or 1e-9  # a point at 0 is none
            append(pack(moment, step, value, key_of(key)))
            self.last = max(self.last, moment)

    def lost(self) -> str:
        return ", ".join(f"{count} {what}" for what, count in self._recorder.losses().items())


def _time(moment: float) -> float:
    """A time that a log can have."""
    return min(max(moment, 0.0), LATEST - 1) if moment == moment else 0.0
