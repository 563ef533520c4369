"""SwanLab: `swanlab`, for `<root>/swanlab`, or `swanlab:///directory`; `swanlab sync <directory>/run-*` uploads runs.

A run is a log as SwanLab's own SDK keeps it offline. It is written here, without the SDK: that has one run for a whole
process, replaces `sys.stdout` to send what is printed, unsealed, and notes the machine, its user's paths and all packages.

    <directory>/run-<time>-<run_id>/run-<run_id>.swanlab    points, pictures, console, the end
                                    files/config.yaml       params, and tags, data sets and references
                                    files/artifacts/        files of the run
                                    media/image/            pictures
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from reticent.backends import Batch, Rejection, Target, UnavailableError
from reticent.backends.local import append, identity, keep_artifact, take
from reticent.backends.protolog import double, frames, integer, part, stamp, text
from reticent.backends.typed import json_of
from reticent.decoding import decodable
from reticent.files import inside, make_directory, write_private
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
    RunStatus,
    Tag,
)

HEADER = b":SWL\xd6\xe1\x02"

_SCALAR, _IMAGE = 1, 2
_CONFIG = 1
_STATES = {RunStatus.FINISHED: 1, RunStatus.KILLED: 3}
_CRASHED = 2

_MOST_STEP = 1 << 48
_PICTURES = {".png", ".jpg", ".jpeg", ".gif", ".bmp"}
_OWN = {"tags", "datasets", "references", "status", "parent_run"}
_PROJECT = re.compile(r"[^\w.+-]", re.ASCII)


@decodable
class End(msgspec.Struct):
    state: int
    error: str
    time: float


@decodable
class Mark(msgspec.Struct):
    """How far a run's log has been written, without the record of its end, which stays the last."""

    length: int = 0
    records: int = 0
    lines: int = 0
    steps: dict[str, int] = {}
    """The highest step of each metric."""
    end: End | None = None


@dataclass
class _Log:
    """What a batch adds to a run's log."""

    mark: Mark
    config: dict[str, Any]
    content: list[bytes] = field(default_factory=list)
    changed: bool = False
    refused: int = 0

    def add(self, seconds: float, record: bytes) -> None:
        self.mark.records += 1
        self.content.append(integer(1, self.mark.records) + stamp(2, seconds) + record)

    def point(self, one: Metric) -> None:
        if not self.mark.steps.get(one.key, -1) < one.step <= _MOST_STEP:
            self.refused += 1
            return
        self.mark.steps[one.key] = one.step
        value = part(5, double(1, one.value))
        place = text(1, one.key) + integer(2, one.step) + integer(3, _SCALAR)
        self.add(one.time, part(13, place + stamp(4, one.time) + value))

    def line(self, seconds: float, line: str, is_error: bool) -> None:
        self.mark.lines += 1
        record = text(1, line) + integer(2, is_error) + stamp(3, seconds) + integer(4, self.mark.lines)
        self.add(seconds, part(16, record))

    def saved(self, seconds: float, name: str, path: Path, kind: int = 0) -> None:
        """That a file is one of the run."""
        self.add(seconds, part(20, text(1, name) + text(2, path.absolute().as_posix()) + integer(5, kind)))

    def set(self, value: object, *path: str) -> None:
        group = self.config
        for key in path[:-1]:
            group = group.setdefault(key, {})
        group[path[-1]] = value
        self.changed = True


class SwanlabBackend:
    def open(self, target: Target) -> str:
        _, _, path = target.url.partition("://")
        self._directory = Path(path).expanduser().absolute() if path else target.root / "swanlab"
        return identity(self._directory)

    def write(self, batch: Batch) -> Sequence[Rejection]:
        mark = msgspec.json.decode(batch.mark.text, type=Mark) if batch.mark.text else Mark()
        began = 0.0 if batch.started is None else batch.started.time
        stamped = time.strftime("%Y%m%d_%H%M%S", time.gmtime(began))
        directory = inside(self._directory, f"run-{stamped}-{batch.run_id}")
        path = directory / f"run-{batch.run_id}.swanlab"
        if mark.length and not (path.exists() and path.stat().st_size >= mark.length):
            raise UnavailableError(
                f"{path} was shortened or removed since; to have all runs sent anew, remove {self._directory / '.store'}"
            )
        config = directory / "files" / "config.yaml"
        log = _Log(mark, _read(config) if mark.length else {})
        if not mark.length:
            log.content.append(integer(1, -1) + stamp(2, began) + _start(batch, began))
        for entry in batch.entries:
            self._add(log, batch, directory, entry.record)
        for block in batch.metrics:
            for point in block:
                log.point(point)
        if log.changed:
            _write(config, log.config)
            log.saved(began, "config", config, _CONFIG)
        make_directory(directory)
        head = b"" if mark.length else HEADER
        data = head + frames(log.content, mark.length + len(head))
        end = b"" if mark.end is None else frames([_end(mark.end)], mark.length + len(data))
        append(path, mark.length, data + end)
        mark.length += len(data)
        batch.mark.text = msgspec.json.encode(mark).decode()
        reason = "SwanLab has one value for each step of a metric, in rising order, from 0 to 2**48"
        return [Rejection(log.refused, reason)] if log.refused else []

    def close(self) -> None:
        pass

    def _add(self, log: _Log, batch: Batch, directory: Path, record: object) -> None:
        match record:
            case RunStarted(parent_id=parent):
                log.mark.end = None
                log.set(RunStatus.RUNNING.value, "status")
                if parent is not None:
                    log.set(parent, "parent_run")
            case Param():
                log.set(msgspec.json.decode(json_of(record.value)), _name(record.key))
            case Tag():
                log.set(record.value, "tags", record.key)
            case Dataset():
                told = {"digest": record.digest, "source": record.source, "context": record.context}
                log.set(told, "datasets", record.name)
            case Reference():
                log.set(record.location, "references", record.path)
            case Console():
                for line in record.text.splitlines():
                    log.line(record.time, line, record.stream == "stderr")
            case Artifact():
                keep_artifact(batch, record, directory / "files" / "artifacts")
                log.saved(record.time, record.path, inside(directory / "files" / "artifacts", record.path))
                if Path(record.path).suffix.lower() in _PICTURES:
                    _picture(log, batch, directory, record)
            case ArtifactRemoved():
                keep_artifact(batch, record, directory / "files" / "artifacts")
            case RunEnded():
                log.set(record.status.value, "status")
                error = "" if record.error is None else record.error
                log.mark.end = End(_STATES.get(record.status, _CRASHED), error, record.time)


def _start(batch: Batch, began: float) -> bytes:
    started = batch.started
    experiment = "default" if started is None else started.experiment
    name = batch.run_id[:8] if started is None else started.name
    project = _PROJECT.sub("-", experiment)[:100]
    record = text(1, project) + text(4, name) + text(7, experiment) + text(10, batch.run_id) + stamp(12, began)
    return part(10, record)


def _end(end: End) -> bytes:
    return (
        integer(1, -2) + stamp(2, end.time) + part(11, integer(1, end.state) + text(2, end.error) + stamp(3, end.time))
    )


def _picture(log: _Log, batch: Batch, directory: Path, artifact: Artifact) -> None:
    """A picture as a value of its own, one step further each time that it comes."""
    step = log.mark.steps.get(artifact.path, -1) + 1
    name = f"{step:03d}-{artifact.sha256[:20]}{Path(artifact.path).suffix.lower()}"
    kept = directory / "media" / "image" / name
    take(batch, artifact, kept)
    if not kept.exists():
        return
    log.mark.steps[artifact.path] = step
    item = text(1, name) + text(2, artifact.sha256) + integer(3, artifact.size) + text(4, artifact.path)
    place = text(1, artifact.path) + integer(2, step) + integer(3, _IMAGE)
    log.add(artifact.time, part(14, place + stamp(4, artifact.time) + part(5, part(1, item))))


def _name(key: str) -> str:
    return f"logged/{key}" if key in _OWN else key


def _read(path: Path) -> dict[str, Any]:
    import yaml

    try:
        found = yaml.load(path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - a safe one
    except FileNotFoundError:
        return {}
    return {key: value["value"] for key, value in found.items()}


def _write(path: Path, config: dict[str, Any]) -> None:
    import yaml

    described = {key: {"desc": "", "sort": place, "value": value} for place, (key, value) in enumerate(config.items())}
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    write_private(path, yaml.dump(described, Dumper=dumper, allow_unicode=True, sort_keys=False).encode())
