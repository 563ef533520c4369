"""What backends that write files or rows have in common."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from reticent.backends import Batch, Target
from reticent.errors import SettingsError
from reticent.files import inside, make_directory, sha256_of, snapshot, write_private
from reticent.records import (
    Artifact,
    ArtifactRemoved,
    Metric,
    MetricBlock,
    MetricKey,
    Param,
    RunEnded,
    RunStarted,
    SealedRecord,
    Staged,
    Tag,
    WriterClosed,
    WriterStarted,
)

METRICS = "metrics"
EVENTS = "events"
"""All that has no table of its own."""

_TABLES: dict[type, str] = {
    RunStarted: "runs",
    RunEnded: "runs",
    Param: "params",
    Tag: "tags",
    Artifact: "artifacts",
    ArtifactRemoved: "artifacts",
}
TABLES = (*dict.fromkeys(_TABLES.values()), METRICS, EVENTS)

_INTERNAL = (WriterStarted, WriterClosed, MetricKey, Staged)
"""How the run log is made: no business of who reads the files."""


def table_of(record: SealedRecord) -> str | None:
    """The table that a record is in; None for one that is in none."""
    return None if isinstance(record, _INTERNAL) else _TABLES.get(type(record), EVENTS)


def directory_of(target: Target, instead: str) -> Path:
    """Where a store is that is only files: `<root>/<name>`, or the directory that its URL names.

    SettingsError for a URL that looks as if it meant a server, with what there is `instead`.
    """
    name, _, path = target.url.partition("://")
    if not path:
        return target.root / name
    if not path.startswith(("/", "~")):
        raise SettingsError(f"the backend {name} takes {name}:///directory; {instead}")
    return Path(path).expanduser()


def identity(directory: Path) -> str:
    """The text that names a store of files, from a file in it that is made with the store."""
    path = directory / ".store"
    if not path.exists():
        made = directory / f".{uuid.uuid4().hex}"
        write_private(made, made.name[1:].encode())
        try:
            os.link(made, path)  # of two processes that make the store at once, the first one names it
        except FileExistsError:
            pass
        except OSError:  # a file system without hard links
            os.replace(made, path)
        made.unlink(missing_ok=True)
    return path.read_text()


def append(path: Path, length: int, data: bytes) -> int:
    """Append to a file that has this many bytes; what is behind them is cut off. How many it has then."""
    if not data and not length and not path.exists():
        return 0
    with path.open("r+b" if path.exists() else "wb") as file:
        file.truncate(length)
        file.seek(length)
        file.write(data)
        return file.tell()


def keep_artifact(batch: Batch, record: SealedRecord, directory: Path) -> None:
    """Have the file of an artifact lie under a directory by its path, or no longer if it was removed."""
    if isinstance(record, ArtifactRemoved):
        gone = inside(directory, record.path)
        if gone.is_dir():
            shutil.rmtree(gone)
        else:
            gone.unlink(missing_ok=True)
    elif isinstance(record, Artifact):
        take(batch, record, inside(directory, record.path))


def take(batch: Batch, artifact: Artifact, target: Path) -> None:
    """Copy the file of an artifact; nothing if a later version has taken its place, which has a record of its own."""
    if (source := batch.file(artifact)) is None:
        return
    make_directory(target.parent)
    taken = target.with_name(f".{uuid.uuid4().hex}")
    try:
        snapshot(source, taken)  # no link: what lies in a store of files may be edited there
        if sha256_of(taken) == artifact.sha256:
            os.replace(taken, target)
    except FileNotFoundError:  # a later version is about to take its place
        pass
    finally:
        taken.unlink(missing_ok=True)


def together(block: MetricBlock) -> Iterator[list[Metric]]:
    """The points that follow each other with the same step, as they are logged together."""
    row: list[Metric] = []
    keys: set[str] = set()
    for point in block:
        if row and (point.step != row[0].step or point.key in keys):
            yield row
            row, keys = [], set()
        row.append(point)
        keys.add(point.key)
    if row:
        yield row
