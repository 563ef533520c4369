"""Finishes what a process that vanished left: its snapshots are sealed, its runs get the status that they died with."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from reticent import artifacts, clock
from reticent.files import safe_relative
from reticent.guard import tried
from reticent.process import ProcessIdentity
from reticent.records import (
    Artifact,
    ArtifactRemoved,
    Model,
    Redaction,
    Reference,
    RunEnded,
    RunStarted,
    RunStatus,
    SealedRecord,
    Staged,
    Warned,
    Withheld,
    WriterStarted,
    is_under,
)
from reticent.runlog import ARTIFACTS, STAGING, LogWriter, RunReader
from reticent_redact import Report, SealedText

if TYPE_CHECKING:
    from reticent.session import Session


_NEVER = {errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY, errno.EINVAL, errno.ELOOP}
"""Errors of the disk that are the fault of what is to be written."""


def recover(session: Session, run_id: str) -> None:
    """Bring the log of a run whose processes are gone to its end. Does nothing while one of them lives."""
    directory = session.run_directory(run_id)
    reader = RunReader(directory)
    if run_id in session.runs or not reader.finished():
        return
    staged: dict[str, Staged] = {}
    open_since: RunStarted | None = None
    processes: list[WriterStarted] = []
    removals = _Removals()
    last = last_metric(RunReader(directory))
    for record in events(reader):
        last = max(last, record.time)
        removals.note(record)
        if isinstance(record, Staged):
            staged[record.token] = record
        elif isinstance(record, (Artifact, Withheld, Reference)) and getattr(record, "staged", None):
            staged.pop(record.staged or "", None)  # type: ignore[union-attr]
        elif isinstance(record, ArtifactRemoved):
            staged = {token: one for token, one in staged.items() if not is_under(one.path, record.path)}
        elif isinstance(record, WriterStarted):
            processes.append(record)
        elif isinstance(record, RunStarted):
            open_since = record
        elif isinstance(record, RunEnded):
            open_since = None
    unremoved = removals.left(directory)
    if open_since is None and not staged and not unremoved and not _entries(directory / STAGING):
        return
    artifacts.check_run(directory)
    writer = LogWriter(directory, session.host)
    try:
        for item in staged.values():
            unsure = _unsure(session, item)
            with _shown(session, directory, item):
                records = _sealed(session, directory, item, unsure)
            for record in records:
                writer.append(record)
        for path in unremoved:
            artifacts.remove(directory, path)
            writer.append(ArtifactRemoved(time=clock.now(), path=path))
        for left in _entries(directory / STAGING):  # of a call that did not return, or published just now
            entry = directory / STAGING / left
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink(missing_ok=True)
        if open_since is not None:
            killed = any(was_terminated(session.root, process) for process in processes)
            status = RunStatus.KILLED if killed else RunStatus.CRASHED
            writer.append(RunEnded(time=max(last, open_since.time), status=status))
    finally:
        writer.close()


class _Removals:
    """Which artifacts a log says to be removed that may be there still: they were about to be, or just being sealed."""

    def __init__(self) -> None:
        self._there: dict[SealedText, set[str | None]] = {}
        """By path, the tokens of what has been logged there."""
        self._dropped: set[str | None] = set()
        self._gone: set[SealedText] = set()

    def note(self, record: SealedRecord) -> None:
        if isinstance(record, ArtifactRemoved):
            for path in [path for path in self._there if is_under(path, record.path)]:
                self._dropped |= self._there.pop(path) - {None}
                self._gone.add(path)
        elif isinstance(record, (Staged, Artifact)):
            token = record.token if isinstance(record, Staged) else record.staged
            if token not in self._dropped:
                self._there.setdefault(record.path, set()).add(token)
                self._gone.discard(record.path)

    def left(self, directory: Path) -> list[SealedText]:
        found = []
        for path in sorted(self._gone):
            with suppress(ValueError):  # a name that no log of ours has
                if os.path.lexists(directory / ARTIFACTS / safe_relative(path)):
                    found.append(path)
        return found


def _unsure(session: Session, staged: Staged) -> str:
    """The rule by which this process must not seal the snapshot of another one; "" if it seals as that did."""
    if staged.known not in ("", session.known_secrets()):
        return artifacts.UNKNOWN_RULE
    if not staged.policy or staged.policy != session.policy:
        return artifacts.OTHER_POLICY_RULE
    return ""


def _sealed(session: Session, directory: Path, staged: Staged, unsure: str) -> list[SealedRecord]:
    """What becomes of one snapshot. One that cannot be published is set aside: it must not keep the others from it."""
    try:
        if unsure:
            return [artifacts.withhold(directory, staged, unsure)]
        _finish(session, directory, staged)
        return publish(session, directory, staged)
    except Exception as error:
        if isinstance(error, OSError) and error.errno not in _NEVER:
            raise  # a full disk is told, and tried again
        return [artifacts.set_aside(directory, staged)]


def _finish(session: Session, directory: Path, staged: Staged) -> None:
    """Finish a model of a process that had no time to, if it is sure that a process of this root has staged it."""
    staging = directory / STAGING / artifacts.check_token(staged.token)
    if staged.kind != "model" or not (staging / "reticent-proof").exists():
        return
    from reticent.models import description, finish
    from reticent.models.flavor import named

    if finish.is_proven(staging, session.root_key()):
        flavor = named([description.read(staging).flavor])
        with tried():  # it is published as it was saved
            if flavor is not None:
                finish.finish(session.model_aside, staging, flavor)


@contextmanager
def _shown(session: Session, directory: Path, staged: Staged) -> Iterator[None]:
    """While a snapshot is sealed, tell how far it is: a large one takes minutes."""
    source = directory / STAGING / artifacts.check_token(staged.token)
    files = source.rglob("*") if source.is_dir() else [source]
    total = sum(file.stat().st_size for file in files if file.is_file())
    done = 0

    def scanned(count: int) -> None:
        nonlocal done
        done = min(done + count, total)  # a text with secrets is scanned twice
        session.working(f"sealing {staged.path}", done, total)

    before, session.redactor.scanned = session.redactor.scanned, scanned
    try:
        scanned(0)
        yield
    finally:
        session.redactor.scanned = before


def _entries(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()] if directory.is_dir() else []


def last_metric(reader: RunReader) -> float:
    """The time of the newest metric of a run; 0.0 if it has none."""
    last = 0.0
    while True:
        entries, blocks = reader.read(max_metrics=100_000)
        for block in blocks:
            last = max(last, *memoryview(block.data).cast("d")[0::4].tolist())
        if not entries and not blocks:
            return last


def events(reader: RunReader) -> list[SealedRecord]:
    """All event records of a run, in the order of their times."""
    records: list[SealedRecord] = []
    while True:
        entries, _ = reader.read(max_events=100_000, max_metrics=0)
        if not entries:
            return sorted(records, key=lambda record: record.time)
        records += [entry.record for entry in entries]


def publish(session: Session, directory: Path, staged: Staged) -> list[SealedRecord]:
    """Seal one snapshot, file or model, into its place; the records that say so."""
    report = Report()
    if staged.kind == "model":
        from reticent.models import publish as models

        records = models.publish(directory, staged, session.redactor, report)
        records += _registered(session, directory.name, records)
    else:
        record = artifacts.publish(directory, staged, session.redactor, report)
        records = [] if record is None else [record]
    return [*records, *redactions(report)]


def _registered(session: Session, run_id: str, records: list[SealedRecord]) -> list[SealedRecord]:
    """Have models be versions of the registered model that they were logged for, on this machine; what went wrong."""
    from reticent import registry

    failed: list[SealedRecord] = []
    for record in records:
        if isinstance(record, Model) and record.registered_name is not None:
            with tried() as attempt:
                registry.add(session.root, record.registered_name, f"runs:/{run_id}/{record.path}")
            if attempt.error is not None:
                what = (
                    f"the model {record.path!r} could not be registered as {record.registered_name!r}: {attempt.error}"
                )
                kind, message = session.seal("warning", "registering a model"), session.seal("warning", what)
                failed.append(Warned(time=clock.now(), kind=kind, message=message))
    return failed


def redactions(report: Report) -> list[SealedRecord]:
    """What a report has counted since it was last asked, as records."""
    return [Redaction(time=clock.now(), **hidden._asdict(), count=count) for hidden, count in report.drain().items()]


def sigterm_mark(root: Path, process: ProcessIdentity) -> Path:
    """The file in which SIGTERM leaves its mark for a process."""
    return root / "signals" / f"{process.pid}-{int(process.started * 100)}"


def was_terminated(root: Path, writer: WriterStarted) -> bool:
    mark = sigterm_mark(root, ProcessIdentity(writer.host, writer.machine, writer.pid, writer.process_started))
    try:
        return mark.stat().st_size > 0
    except OSError:
        return False
