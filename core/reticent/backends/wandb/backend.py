"""Writes batches of run log records to transaction logs of W&B."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import msgspec

from reticent.backends import Batch, Rejection, Target, UnavailableError, how_to_install
from reticent.backends.local import append, identity, keep_artifact, take, together
from reticent.backends.protolog import frames
from reticent.backends.typed import json_of, quoted
from reticent.backends.wandb import mapping
from reticent.backends.wandb.server import address, api_key, reach
from reticent.backends.wandb.upload import Upload
from reticent.decoding import decodable
from reticent.errors import MissingExtraError, SettingsError
from reticent.files import inside, make_directory
from reticent.records import (
    Artifact,
    ArtifactRemoved,
    Console,
    Dataset,
    Metric,
    Param,
    Reference,
    RunEnded,
    RunStarted,
    Tag,
)

_NOTES = ("notes", "description")
"""Tags that W&B shows as the run's notes; they are in its config as well."""

_FILES = "artifacts"
_MLMODEL = "MLmodel"

_ANEW = 8 << 20
"""A log of less is uploaded anew at its end, within two seconds: one that is followed is looked at every five only."""


@decodable
class Mark(msgspec.Struct):
    """How far a run's log has been written, without the record of its end, which stays the last."""

    length: int = 0
    records: int = 0
    rows: int = 0
    exit: tuple[int, float] | None = None
    """Its code, and after how many seconds."""
    uploaded: bool = False
    """Whether all of it was on the server at its end."""


@dataclass
class _Log:
    """What a batch adds to a run's transaction log."""

    run_id: str
    mark: Mark
    started: float
    keys: set[str]
    content: list[bytes] = field(default_factory=list)
    config: list[tuple[tuple[str, ...], str]] = field(default_factory=list)
    summary: dict[str, str] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)

    def row(self, time_: float, values: dict[str, str]) -> None:
        for key in values.keys() - self.keys:
            self.content.append(mapping.metric(key))
            self.keys.add(key)
        self.summary |= values
        runtime = {"_timestamp": repr(time_), "_runtime": repr(max(0.0, time_ - self.started))}
        self.content.append(mapping.row(self.mark.rows, values | runtime))
        self.mark.rows += 1


class WandbBackend:
    def open(self, target: Target) -> str:
        self._keys: dict[str, set[str]] = {}
        """The metrics of each run whose axis was told, by this process."""
        self._uploads: dict[str, Upload] = {}
        parts = urlsplit(target.url)
        self._online = parts.scheme == "wandb"
        if not self._online:
            asked = parse_qs(parts.query)
            self._entity, self._project = (asked.get(key, [""])[0] for key in ("entity", "project"))
            self._directory = Path(parts.path).expanduser() if parts.scheme else target.root / "wandb"
            return identity(self._directory)
        self._entity, self._project = parts.netloc, parts.path.strip("/")
        if not self._entity or not self._project or "/" in self._project:
            raise SettingsError("online, the backend wandb is wandb://entity/project; offline it is `wandb`")
        try:
            version("wandb")  # by its metadata: W&B's users have directories of this name
        except PackageNotFoundError:
            raise MissingExtraError(f"uploading to W&B needs its SDK: {how_to_install('wandb')}") from None
        server = address()
        self._key = api_key(server)
        reach(server, self._key)
        self._directory = target.root / "wandb" / self._entity / self._project
        return f"{server} {identity(self._directory)}"

    def write(self, batch: Batch) -> Sequence[Rejection]:
        mark = msgspec.json.decode(batch.mark.text, type=Mark) if batch.mark.text else Mark()
        directory = self.directory(batch)
        path = directory / f"run-{batch.run_id}.wandb"
        if mark.length and not (path.exists() and path.stat().st_size >= mark.length):
            raise UnavailableError(
                f"{path} was shortened or removed since; to have all runs sent anew, remove {self._directory / '.store'}"
            )
        keys = self._keys.pop(batch.run_id, set()) if mark.length else set()
        log = _Log(batch.run_id, mark, 0.0 if batch.started is None else batch.started.time, keys)
        if not mark.length:
            log.content += [mapping.header(), self._run(batch, "")]
        for entry in batch.entries:
            self._add(log, batch, directory / "files", entry.record)
        for block in batch.metrics:
            for rows in together(block):
                log.row(rows[0].time, _values(rows))
        make_directory(directory)
        self._append(path, log)
        if self._online:
            self._upload(batch.run_id, path, mark)
        batch.mark.text = msgspec.json.encode(mark).decode()
        self._keys[batch.run_id] = log.keys  # not before all of it is there: else they are told again
        return ()

    def close(self) -> None:
        for upload in self._uploads.values():
            upload.stop()
        self._uploads.clear()

    def _upload(self, run_id: str, path: Path, mark: Mark) -> None:
        """Have a log uploaded as it grows; one that has its end is waited for."""
        if mark.uploaded:
            return
        if mark.exit is not None and mark.length < _ANEW and run_id in self._uploads:
            self._uploads.pop(run_id).stop()
        upload = self._uploads.get(run_id)
        if upload is None:
            upload = self._uploads[run_id] = Upload(path, self._key)
        if mark.exit is not None:
            upload.finish()
            del self._uploads[run_id]
            mark.uploaded = True
        elif not upload.running():
            raise upload.failure()

    def directory(self, batch: Batch) -> Path:
        started = time.gmtime(0.0 if batch.started is None else batch.started.time)
        return inside(self._directory, f"offline-run-{time.strftime('%Y%m%d_%H%M%S', started)}-{batch.run_id}")

    def _append(self, path: Path, log: _Log) -> None:
        mark = log.mark
        if log.config:
            log.content.append(mapping.config(log.config))
        if log.summary:
            log.content.append(mapping.summary(log.summary))
        if log.files:
            log.content.append(mapping.files(log.files))
        numbered = [mapping.record(mark.records + place, one) for place, one in enumerate(log.content, 1)]
        head = b"" if mark.length else mapping.HEADER
        data = head + frames(numbered, mark.length + len(head))
        if data:
            mark.uploaded = False
            path.with_name(f"{path.name}.synced").unlink(missing_ok=True)  # else `wandb sync` would pass it over
        if log.run_id in self._uploads and path.stat().st_size > mark.length:
            self._uploads.pop(log.run_id).stop()  # it may have read what is cut off now
        end = b""
        if mark.exit is not None:
            exit_ = mapping.record(mark.records + len(numbered) + 1, mapping.exit_(*mark.exit))
            end = frames([exit_], mark.length + len(data))
        append(path, mark.length, data + end)
        mark.length += len(data)
        mark.records += len(numbered)

    def _run(self, batch: Batch, notes: str) -> bytes:
        return mapping.run(batch.run_id, self._entity, self._project, batch.started, notes)

    def _add(self, log: _Log, batch: Batch, files: Path, record: object) -> None:
        match record:
            case RunStarted(parent_id=parent):
                log.mark.exit = None
                if parent is not None:
                    log.config.append((("parent_run",), quoted(parent)))
            case Param():
                log.config.append(((mapping.name(record.key),), json_of(record.value)))
            case Tag():
                log.config.append((("tags", record.key), quoted(record.value)))
                if record.key in _NOTES:
                    log.content.append(self._run(batch, record.value))
            case Dataset():
                told = {"digest": record.digest, "source": record.source, "context": record.context}
                log.config.append((("datasets", record.name), msgspec.json.encode(told).decode()))
            case Reference():
                log.config.append((("references", record.path), quoted(record.location)))
            case Console():
                log.content += [
                    mapping.console(record.stream, record.time, line) for line in record.text.splitlines(keepends=True)
                ]
            case Artifact():
                self._file(log, batch, files, record)
            case ArtifactRemoved():
                keep_artifact(batch, record, files / _FILES)
            case RunEnded():
                if record.error is not None:
                    log.content.append(mapping.console("stderr", record.time, f"{record.error}\n"))
                log.summary[mapping.STATUS] = quoted(record.status.value)
                code = mapping.EXIT_CODES.get(record.status, 1)
                log.mark.exit = code, record.time - log.started

    def _file(self, log: _Log, batch: Batch, files: Path, artifact: Artifact) -> None:
        if artifact.path.lower().endswith(".png"):
            path = f"media/images/{artifact.sha256[:20]}_{log.mark.rows}.png"
            take(batch, artifact, files / path)
            if (files / path).exists():
                with (files / path).open("rb") as file:
                    shown = mapping.image(path, artifact.sha256, file.read(32), artifact.size)
                if shown is not None:
                    log.files.append(path)
                    log.row(artifact.time, {mapping.name(artifact.path): shown})
                    return
                (files / path).unlink()
        keep_artifact(batch, artifact, files / _FILES)
        log.files.append(f"{_FILES}/{artifact.path}")
        directory, _, name = artifact.path.rpartition("/")
        if name == _MLMODEL and directory:  # the last file of a model
            kept = inside(files / _FILES, directory)
            log.content.append(mapping.model(batch.run_id, self._entity, self._project, directory, kept))


def _values(row: list[Metric]) -> dict[str, str]:
    values = {mapping.name(point.key): mapping.number(point.value) for point in row}
    return values | {mapping.STEP: str(row[0].step)}
