"""Reads a run's transaction log (`run-<id>.wandb`) as W&B's SDK and our backend write it.

The numbers are those of `wandb_internal.proto`.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, NamedTuple

from reticent.backends.protolog import fields, records
from reticent.backends.wandb.mapping import HEADER
from reticent.errors import SourceError

_HISTORY, _SUMMARY, _CONFIG, _STATS, _ARTIFACT = 2, 3, 5, 7, 8
_OUTPUT, _RUN, _EXIT, _ENVIRONMENT = 13, 17, 18, 26

_RUN_TEXTS = {
    1: "id", 2: "entity", 3: "project", 6: "group", 7: "job_type", 8: "name", 9: "notes", 12: "sweep", 13: "host"
}  # fmt: skip
_ENVIRONMENT_TAGS = {1: "platform", 2: "python.version", 6: "source", 12: "host", 13: "user"}
_ARGUMENTS, _GIT = 5, 9

Message = dict[int, list[Any]]


class ArtifactFile(NamedTuple):
    path: str
    md5: str
    """In Base64."""
    local: str
    """Where it lay on the machine of the run; "": elsewhere."""


class LoggedArtifact(NamedTuple):
    name: str
    kind: str
    digest: str
    files: list[ArtifactFile]


@dataclass
class Told:
    """All that a log tells but the rows of the history."""

    run: dict[str, str] = field(default_factory=dict)
    start: float = 0.0
    newest: float = 0.0
    """The newest time in it."""
    words: list[str] = field(default_factory=list)
    """W&B's tags, which have no values."""
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    """What surrounded it."""
    artifacts: list[LoggedArtifact] = field(default_factory=list)
    exit_code: int | None = None
    damaged: int = 0
    """How many bytes at its end could not be read."""


def head(path: Path) -> Told:
    """What a log says of its run first. SourceError if it tells of none."""
    told = Told()
    with _reading(path) as contents:
        for number, content in contents:
            _add(told, number, content)
            if told.run:
                return told
    raise SourceError("its log tells of no run: the process ended before it began")


def read(path: Path) -> Told:
    """All that a log tells, but the rows of its history."""
    told, row = Told(), b""
    with _reading(path) as contents:
        for number, content in contents:
            if number == _HISTORY:
                row = content
            else:
                _add(told, number, content)
        told.damaged = contents.left
        moment = _row(row).get("_timestamp")
    told.newest = max(told.newest, moment if isinstance(moment, (int, float)) else 0.0)
    return told


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of the history."""
    with _reading(path) as contents:
        for number, content in contents:
            if number == _HISTORY:
                yield _row(content)


def stats(path: Path) -> Iterator[tuple[float, dict[str, Any]]]:
    """The loads of the machine, each with its time."""
    with _reading(path) as contents:
        for number, content in contents:
            if number == _STATS:
                told = _message(content)
                yield _time(told, 2), {_text(item, 1): _json(item) for item in map(_message, told.get(3, ()))}


def console(path: Path) -> Iterator[str]:
    """What it wrote to its console, in pieces."""
    with _reading(path) as contents:
        for number, content in contents:
            if number == _OUTPUT:
                yield _text(_message(content), 3)


class _Contents:
    """The content of each record of a log, with the number of its kind."""

    def __init__(self, data: mmap) -> None:
        self._data = data
        self.left = 0
        """How many bytes at the end cannot be read."""

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        end = yield from self._records()
        self.left = len(self._data) - end

    def _records(self) -> Generator[tuple[int, bytes], None, int]:
        reading = records(self._data, HEADER)
        while True:
            try:
                record = next(reading)
            except StopIteration as end:
                return int(end.value)
            yield from ((number, value) for number, value in fields(record) if isinstance(value, bytes))


@contextmanager
def _reading(path: Path) -> Iterator[_Contents]:
    """SourceError where a log is not as W&B writes it."""
    try:
        with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            yield _Contents(data)
    except (ValueError, TypeError, AttributeError, LookupError, OverflowError) as error:
        raise SourceError(f"its log is empty, damaged or none of W&B's: {error}") from error


def _add(told: Told, number: int, content: bytes) -> None:
    if number == _RUN:
        _add_run(told, _message(content))
    elif number == _CONFIG:
        _change(told.config, _message(content))
    elif number == _SUMMARY:
        _change(told.summary, _message(content))
    elif number in (_STATS, _OUTPUT):
        told.newest = max(told.newest, _time(_message(content), 2))
    elif number == _ENVIRONMENT:
        environment = _message(content)
        _add_texts(told.tags, _ENVIRONMENT_TAGS, environment)
        if arguments := environment.get(_ARGUMENTS):
            told.tags["argv"] = json.dumps([_decoded(one) for one in arguments])
        for git in map(_message, environment.get(_GIT, ())):
            _add_texts(told.tags, {1: "git.remote", 2: "git.commit"}, git)
    elif number == _ARTIFACT:
        told.artifacts.append(_artifact(_message(content)))
    elif number == _EXIT:
        ended = _message(content)
        code = ended.get(1, [0])[-1]
        told.exit_code = code - (1 << 64) if code >> 63 else code
        told.newest = max(told.newest, told.start + ended.get(2, [0])[-1])


def _add_run(told: Told, run: Message) -> None:
    _add_texts(told.run, _RUN_TEXTS, run)
    told.words = [_decoded(one) for one in run.get(10, ())]
    told.start = told.start or _time(run, 17)
    told.newest = max(told.newest, told.start)
    for kept, number in ((told.config, 4), (told.summary, 5)):
        for changes in map(_message, run.get(number, ())):
            _change(kept, changes)
    for git in map(_message, run.get(21, ())):
        _add_texts(told.tags, {1: "git.remote", 2: "git.commit"}, git)


def _add_texts(texts: dict[str, str], names: dict[int, str], message: Message) -> None:
    texts |= {name: value for number, name in names.items() if (value := _text(message, number))}


def _change(values: dict[str, Any], changes: Message) -> None:
    """Values by their path of keys, set and removed."""
    for item in map(_message, changes.get(1, ())):
        _set(values, _path(item), _json(item))
    for item in map(_message, changes.get(2, ())):
        *above, key = _path(item)
        inner: Any = values
        for one in above:
            inner = inner.get(one) if isinstance(inner, dict) else None
        if isinstance(inner, dict):
            inner.pop(key, None)


def _set(values: dict[str, Any], path: list[str], value: Any) -> None:
    *above, key = path
    for one in above:
        inner = values.get(one)
        if not isinstance(inner, dict):
            inner = values[one] = {}
        values = inner
    values[key] = value


def _row(content: bytes) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for item in map(_message, _message(content).get(1, ())):
        _set(row, _path(item), _json(item))
    return row


def _artifact(message: Message) -> LoggedArtifact:
    manifests = list(map(_message, message.get(12, ())))
    entries = [_message(entry) for manifest in manifests for entry in manifest.get(4, ())]
    files = [ArtifactFile(_text(one, 1), _text(one, 2), "" if 3 in one else _text(one, 6)) for one in entries]
    return LoggedArtifact(_text(message, 5), _text(message, 4), _text(message, 6), files)


def _path(item: Message) -> list[str]:
    """Of an item of config, summary or history."""
    return [_decoded(one) for one in item.get(2, ())] or [_text(item, 1)]


def _json(item: Message) -> Any:
    text = _text(item, 16)
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _time(message: Message, number: int) -> float:
    told = [_message(one) for one in message.get(number, ())]
    return float(told[-1].get(1, [0])[-1] + told[-1].get(2, [0])[-1] / 1e9) if told else 0.0


def _message(content: bytes) -> Message:
    message: Message = {}
    for number, value in fields(content):
        message.setdefault(number, []).append(value)
    return message


def _text(message: Message, number: int) -> str:
    return _decoded(message[number][-1]) if number in message else ""


def _decoded(value: bytes) -> str:
    return value.decode("utf-8", "replace")
