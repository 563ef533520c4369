"""One stored run by today's policy: its event files and artifacts take the places of the old ones, whose bytes are gone.

Killed at any moment, each file is the old or the new one, and doing it again finishes: what is changed is what still has
something to hide. So events come first (they say what the artifacts will be), then each model's MLmodel file (which says
the same of the model's files), then the artifacts themselves.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from reticent.artifacts import check_run
from reticent.errors import ReticentError
from reticent.files import make_directory, open_private, safe_relative, sha256_of, write_private
from reticent.models.mlmodel import FILE as MLMODEL
from reticent.models.mlmodel import published_model, relisted
from reticent.progress import set_back
from reticent.records import Artifact, Delivery, Model, SealedRecord, Warned, Withheld, WriterClosed
from reticent.recovery import redactions
from reticent.resealing import reseal, reseal_text
from reticent.runlog import ARTIFACTS, QUARANTINE, STAGING
from reticent.runlog.events import SUFFIX, frame, unframe
from reticent_redact import Hidden, Redactor, Report
from reticent_redact import Withheld as WithheldFile
from reticent_redact.scan import scan_file


class BusyError(Exception):
    """A file of the run was written to while it was looked at."""


@dataclass
class Rewritten:
    """What became of a run, or would: how often something was hidden, and which files, by the paths that they have now."""

    report: Report = field(default_factory=Report)
    """What the log does not tell yet."""
    counts: Counter[Hidden] = field(default_factory=Counter)
    changed: bool = False
    files: list[str] = field(default_factory=list)
    withheld: dict[str, str] = field(default_factory=dict)
    """The rule by path."""
    delivered_to: set[str] = field(default_factory=set)
    """Names of backends that have got something of the run."""


@dataclass
class _File:
    """An artifact that will not stay as it is: `sealed` is what takes its place, None if it is itself that is moved."""

    path: str
    new_path: str
    sha256: str = ""
    size: int = 0
    new_sha256: str = ""
    sealed: Path | None = None
    rule: str = ""


def look(directory: Path, redactor: Redactor) -> Rewritten:
    """What `rewrite` would hide. Changes nothing."""
    found = Rewritten()
    for path in _files(directory / ARTIFACTS):
        relative = path.relative_to(directory / ARTIFACTS).as_posix()
        for place in scan_file(redactor, path):
            found.report.add("artifact", place.rule, place.action, place.confidence)
            if place.line is None:
                found.withheld[relative] = place.rule
            elif relative not in found.files:
                found.files.append(relative)
        if reseal_text(relative, redactor, "artifact name") != relative and relative not in found.files:
            found.files.append(relative)
    for events in _event_files(directory):
        for record in _records(events):
            if isinstance(record, int):
                found.changed = True
            else:
                _note_delivery(record, found)
                found.changed = reseal(record, redactor, found.report) is not record or found.changed
    found.changed = found.changed or bool(found.files or found.withheld)
    found.counts.update(found.report.counts())
    return found


def rewrite(directory: Path, redactor: Redactor) -> Rewritten:
    """Hide in a run what the redactor hides. Its writers must be gone, and its staging empty.

    BusyError if one is not, ReticentError for a log that this version does not know, ValueError for a run that no writer of
    ours made, OSError from the disk: then the run may be rewritten in part, and can be again.
    """
    check_run(directory)
    for left in directory.glob(f".*{SUFFIX}.*"):  # of one that was killed
        left.unlink()
    done = Rewritten()
    files = {file.path: file for file in _sealed_files(directory, redactor, done)}
    try:
        for events in _event_files(directory):
            _rewrite_events(events, redactor, files, done)
        if not (done.changed or files):
            return done
        done.changed = True
        done.counts.update(done.report.counts())  # of files that no event tells of
        for file in sorted(files.values(), key=lambda file: Path(file.path).name != MLMODEL):
            _replace(directory, file)
        done.delivered_to |= set_back(directory)
    finally:
        for file in files.values():
            if file.sealed is not None:
                file.sealed.unlink(missing_ok=True)
    return done


def _sealed_files(directory: Path, redactor: Redactor, done: Rewritten) -> Iterator[_File]:
    """The artifacts that have to change, each sealed into staging; models' MLmodel files after the files that they list."""
    changed: dict[str, tuple[int, str]] = {}
    root = directory / ARTIFACTS
    for path in sorted(_files(root), key=lambda path: path.name == MLMODEL):
        file = _File(path.relative_to(root).as_posix(), "")
        file.new_path = reseal_text(file.path, redactor, "artifact name")
        safe_relative(file.new_path)
        source = _relisted(path, changed, directory) if path.name == MLMODEL and changed else path
        if source is not path or next(scan_file(redactor, path), None) is not None:
            _seal(source, file, directory, redactor, done)
            file.sha256 = sha256_of(path)
            if source is not path:
                source.unlink()
            if file.sealed is not None and file.new_sha256 == file.sha256:
                file.sealed.unlink()
                file.sealed = None
            elif file.sealed is not None:
                changed[file.sha256] = file.size, file.new_sha256
        if file.rule:
            done.withheld[file.new_path] = file.rule
            yield file
        elif file.sealed is not None or file.new_path != file.path:
            done.files.append(file.new_path)
            yield file


def _seal(source: Path, file: _File, directory: Path, redactor: Redactor, done: Rewritten) -> None:
    staging = directory / STAGING
    make_directory(staging)
    target = staging / uuid.uuid4().hex
    sealed = redactor.seal_file(source, target, name=Path(file.path).name, report=done.report, workspace=staging)
    if isinstance(sealed, WithheldFile):
        file.rule = sealed.rule
    else:
        file.sealed, file.size, file.new_sha256 = target, sealed.size, sealed.sha256


def _relisted(path: Path, changed: dict[str, tuple[int, str]], directory: Path) -> Path:
    """An MLmodel file that lists changed files as they are now; the file itself if it lists none."""
    text = path.read_text("utf-8", "surrogateescape")
    new = relisted(text, changed)
    if new == text:
        return path
    target = directory / STAGING / uuid.uuid4().hex
    write_private(target, new.encode("utf-8", "surrogateescape"))
    return target


def _rewrite_events(path: Path, redactor: Redactor, files: dict[str, _File], done: Rewritten) -> None:
    """Write an event file anew if something in it has to change; what cannot be read in it is left out."""
    before = path.stat()
    lost, changed = 0, False
    kept: SealedRecord | None = None
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with os.fdopen(open_private(temporary, os.O_WRONLY | os.O_EXCL), "wb") as target:
            for record in _records(path):
                if isinstance(record, int):
                    lost += record
                    continue
                _note_delivery(record, done)
                new = _changed(record, redactor, files, done.report)
                changed = changed or new is not record
                if new is not None:
                    if kept is not None:
                        target.write(frame(kept))
                    kept = new
            if not (changed or lost):
                return
            # The last record stays the last: it may say that the writer has closed.
            ending = [kept] if isinstance(kept, WriterClosed) else []
            done.counts.update(done.report.counts())
            told = [*([] if ending or kept is None else [kept]), *_told(kept, lost, redactor, done.report), *ending]
            target.writelines(map(frame, told))
            target.flush()
            os.fsync(target.fileno())
        os.utime(temporary, ns=(before.st_atime_ns, before.st_mtime_ns))  # its last sign of life
        done.delivered_to |= set_back(path.parent)
        now = path.stat()
        if (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise BusyError
        os.replace(temporary, path)
        done.changed = True
    finally:
        temporary.unlink(missing_ok=True)


def _changed(record: SealedRecord, redactor: Redactor, files: dict[str, _File], report: Report) -> SealedRecord | None:
    sizes = {file.sha256: (file.size, file.new_sha256) for file in files.values() if file.sealed is not None}
    new = reseal(record, redactor, report, sizes)
    if isinstance(record, Artifact) and isinstance(new, Artifact):
        file = files.get(_normal(record.path))
        if file is not None and file.rule:
            return Withheld(time=new.time, path=new.path, rule=file.rule, staged=new.staged)
        if file is not None and file.sealed is not None and record.sha256 == file.sha256:
            return msgspec.structs.replace(new, size=file.size, sha256=file.new_sha256)
    if isinstance(record, Model) and isinstance(new, Model) and new.mlmodel != record.mlmodel:
        with contextlib.suppress(ReticentError):
            listed = published_model(new.mlmodel).files
            size = sum(file.size for file in listed) + len(new.mlmodel.encode("utf-8", "backslashreplace"))
            return msgspec.structs.replace(new, size=size)
    return new


def _told(last: SealedRecord | None, lost: int, redactor: Redactor, report: Report) -> list[SealedRecord]:
    """What the log says of its rewriting: what was hidden, and what could not be read."""
    hidden = [record for record in redactions(report) if getattr(record, "action", "") != "keep"]
    if lost and last is not None:
        message = f"{lost} bytes of the run log could not be read and were left out when it was redacted again"
        kind, sealed = (redactor.seal(text, channel="warning") for text in ("damaged run log", message))
        return [*hidden, Warned(time=last.time, kind=kind, message=sealed)]
    return hidden


def _records(path: Path) -> Iterator[SealedRecord | int]:
    """The records of an event file; of what is no record, its length in bytes. ReticentError for an unknown record."""
    with path.open("rb") as file:
        for line in file:
            if line != b"\n":  # which ends a torn line before it
                record = _record(line, path.name)
                yield len(line) if record is None else record


def _record(line: bytes, name: str) -> SealedRecord | None:
    if not line.endswith(b"\n"):
        return None
    try:
        return unframe(line[:-1])
    except msgspec.DecodeError:  # its checksum is right
        raise ReticentError(
            f"{name} holds a record that this version of reticent does not know; update it and redact the run again"
        ) from None
    except ValueError:
        return None


def _note_delivery(record: SealedRecord, found: Rewritten) -> None:
    if isinstance(record, Delivery) and record.delivered:
        found.delivered_to.add(record.backend)


def _replace(directory: Path, file: _File) -> None:
    """Have an artifact's new content take its place under its new path, or move it to quarantine as it is."""
    old = directory / ARTIFACTS / file.path
    target = directory / (QUARANTINE if file.rule else ARTIFACTS) / safe_relative(file.new_path)
    make_directory(target.parent)
    os.replace(old if file.sealed is None else file.sealed, target)
    if target != old:
        old.unlink(missing_ok=True)
    for parent in old.parents:  # the name of a directory may have been what had to be hidden
        if parent == directory / ARTIFACTS or any(parent.iterdir()):
            break
        parent.rmdir()


def _normal(path: str) -> str:
    with contextlib.suppress(ValueError):  # a forged record of a file that is nowhere
        return safe_relative(path).as_posix()
    return ""


def _files(directory: Path) -> Iterator[Path]:
    return (path for path in sorted(directory.rglob("*")) if path.is_file())


def _event_files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.glob(f"*{SUFFIX}") if path.is_file() and not path.is_symlink())
