"""Writes batches of run log records into the embedded database."""

from __future__ import annotations

import contextlib
import json
import os
import re
import struct
import uuid
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from reticent.backends import Batch, Rejection, Target, UnavailableError
from reticent.backends.sqlite.schema import check_held, connect, database_path, identity, inode
from reticent.files import sha256_of, share
from reticent.records import (
    METRIC,
    Artifact,
    ArtifactRemoved,
    Console,
    Dataset,
    Delivery,
    Entry,
    Lost,
    MetricBlock,
    Model,
    ModelAlias,
    ModelTried,
    Param,
    Redaction,
    Reference,
    RunEnded,
    RunStarted,
    SealedRecord,
    Tag,
    Warned,
    Withheld,
)

_ROWS, _MANY_ROWS = 64, 512
"""Points in one INSERT: the interpreter lock is released and taken again once for all of them, not once for each. To
prepare one for many takes SQLite a millisecond, which pays in large blocks alone."""

_LARGE = 4096

_DIGEST = re.compile("[0-9a-f]{64}")


class SqliteBackend:
    """The embedded store. `open` takes `sqlite`, for the database of the root, or `sqlite:///path/to/file.db`."""

    aliases = True

    def open(self, target: Target) -> str:
        _, _, path = target.url.partition("://")
        self._path = Path(path) if path else database_path(target.root)
        self._connection = connect(self._path)
        self._file = inode(self._path)
        self._keys: dict[str, int] = {}
        self._unneeded: set[str] = set()
        """The digests of contents that no artifact has any more."""
        return identity(self._connection)

    def write(self, batch: Batch) -> Sequence[Rejection]:
        check_held()
        if inode(self._path) != self._file:
            raise UnavailableError("the database was replaced by `reticent reindex`; the new one is opened")
        self._unneeded.clear()
        malformed = [entry for entry in batch.entries if not self._store_file(batch, entry.record)]
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            run = self._run(batch.run_id)
            for entry in batch.entries:
                if entry in malformed:
                    continue
                if isinstance(entry.record, _COUNTED):
                    self._store_counted(run, entry)
                elif type(entry.record) in _STORE:
                    _STORE[type(entry.record)](self, run, entry.record)
            for block in batch.metrics:
                self._store_metrics(run, block)
            self._connection.execute("COMMIT")
        except BaseException:
            self._keys.clear()
            if self._connection.in_transaction:  # SQLite itself rolls back on some errors
                self._connection.execute("ROLLBACK")
            raise
        for sha256 in self._unneeded:
            blob_path(self._path, sha256).unlink(missing_ok=True)
        return [Rejection(len(malformed), "an artifact without a SHA-256 digest")] if malformed else ()

    def close(self) -> None:
        self._connection.close()

    def _one(self, sql: str, *values: object) -> Any:
        return self._connection.execute(sql, values).fetchone()

    def _run(self, run_id: str) -> int:
        self._connection.execute("INSERT OR IGNORE INTO run (run_id) VALUES (?)", (run_id,))
        return int(self._one("SELECT id FROM run WHERE run_id = ?", run_id)[0])

    def _writer(self, run: int, name: str) -> int:
        self._connection.execute("INSERT OR IGNORE INTO writer (run, name) VALUES (?, ?)", (run, name))
        return int(self._one("SELECT id FROM writer WHERE run = ? AND name = ?", run, name)[0])

    def _key(self, name: str) -> int:
        if name not in self._keys:
            self._connection.execute("INSERT OR IGNORE INTO metric_key (name) VALUES (?)", (name,))
            self._keys[name] = int(self._one("SELECT id FROM metric_key WHERE name = ?", name)[0])
        return self._keys[name]

    def _store_file(self, batch: Batch, record: SealedRecord) -> bool:
        """Keep an artifact's content under its digest; False if it has none, as a carried, tampered log may say.

        In place of the file a later version may be there by now, of the same size: what is kept was hashed.
        """
        if not isinstance(record, Artifact):
            return True
        if not _DIGEST.fullmatch(record.sha256):
            return False
        target = blob_path(self._path, record.sha256)
        source = batch.file(record)
        if source is None or target.exists():
            return True
        taken = target.with_name(f".{uuid.uuid4().hex}")
        try:
            with contextlib.suppress(FileNotFoundError):
                share(source, taken)
                if sha256_of(taken) == record.sha256:
                    os.replace(taken, target)
        finally:
            taken.unlink(missing_ok=True)
        return True

    def _store_started(self, run: int, record: RunStarted) -> None:
        self._connection.execute("INSERT OR IGNORE INTO experiment (name) VALUES (?)", (record.experiment,))
        self._connection.execute(
            "UPDATE run SET experiment = (SELECT id FROM experiment WHERE name = ?), name = ?, parent_id = ?,"
            " start_time = min(coalesce(start_time, ?), ?) WHERE id = ?",
            (record.experiment, record.name, record.parent_id, record.time, record.time, run),
        )
        self._connection.execute(
            "UPDATE run SET status = 'RUNNING', status_time = ?, end_time = NULL, error = NULL"
            " WHERE id = ? AND status_time < ?",
            (record.time, run, record.time),
        )

    def _store_ended(self, run: int, record: RunEnded) -> None:
        self._connection.execute(
            "UPDATE run SET status = ?, status_time = ?, end_time = ?, error = ?, counts = ?"
            " WHERE id = ? AND status_time <= ?",
            (record.status.value, record.time, record.time, record.error, json.dumps(record.counts), run, record.time),
        )

    def _store_param(self, run: int, record: Param) -> None:
        row = (run, record.key, record.time, record.value, record.origin)
        self._connection.execute("INSERT OR REPLACE INTO param VALUES (?, ?, ?, ?, ?)", row)

    def _store_tag(self, run: int, record: Tag) -> None:
        row = (run, record.key, record.time, record.value)
        self._connection.execute("INSERT OR REPLACE INTO tag VALUES (?, ?, ?, ?)", row)

    def _store_removed(self, run: int, record: ArtifactRemoved) -> None:
        """Forget an artifact, or all under its path, and their content where no other artifact has the same."""
        under = "run = ? AND (path = ? OR substr(path, 1, length(?) + 1) = ? || '/') AND time <= ?"
        values = (run, record.path, record.path, record.path, record.time)
        gone = self._connection.execute(f"SELECT DISTINCT sha256 FROM artifact WHERE {under}", values).fetchall()
        self._connection.execute(f"DELETE FROM artifact WHERE {under}", values)
        used = "SELECT 1 FROM artifact WHERE sha256 = ? LIMIT 1"
        self._unneeded.update(sha256 for (sha256,) in gone if self._one(used, sha256) is None)

    def _store_row(self, run: int, record: Any) -> None:
        """A record whose newest version of its key holds: the table's columns are the record's fields."""
        table, columns = TABLES[type(record)]
        names = ("time", *columns)
        marks = ", ".join("?" * (len(names) + 1))
        newer = ", ".join(f"{name} = excluded.{name}" for name in names)
        values = (run, record.time, *(getattr(record, column) for column in columns))
        self._connection.execute(
            f"INSERT INTO {table} (run, {', '.join(names)}) VALUES ({marks})"
            f" ON CONFLICT DO UPDATE SET {newer} WHERE excluded.time >= time",
            values,
        )

    def _store_counted(self, run: int, entry: Entry) -> None:
        """A record of which each one counts: its place in the run log is its key."""
        record: Any = entry.record
        table, columns = TABLES[type(record)]
        names = ", ".join(("run", "writer", "place", "time", *columns))
        marks = ", ".join("?" * (len(columns) + 4))
        place = (run, self._writer(run, entry.writer), entry.offset)
        values = (*place, record.time, *(getattr(record, column) for column in columns))
        self._connection.execute(f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})", values)

    def _store_metrics(self, run: int, block: MetricBlock) -> None:
        keys = {number: self._key(name) for number, name in block.keys.items()}
        first = (self._writer(run, block.writer) << 36) + block.first
        same = all(number == key for number, key in keys.items())
        most = _MANY_ROWS if len(block) >= _LARGE else _ROWS
        start = 0
        while start < len(block):
            # Powers of two, so that a few statements, which SQLite keeps prepared, serve blocks of any length.
            count = min(most, 1 << ((len(block) - start).bit_length() - 1))
            data = block.data[start * METRIC.size : (start + count) * METRIC.size]
            flat = _unpacker(count).unpack(data)
            if not same:
                values = list(flat)
                values[3::4] = map(keys.__getitem__, values[3::4])
                flat = tuple(values)
            self._connection.execute(_insert(count), (run, first + start, *flat))
            start += count
        self._connection.executemany(_LATEST, ((run, keys[number], *rest) for number, *rest in _newest(block)))


def _newest(block: MetricBlock) -> Iterator[tuple[int, int, float, float, float | None, float | None]]:
    """Of each metric in a block: its number, step, time and value of the last point, the smallest and the largest value.

    Here, as SQLite takes four times as long for it.
    """
    points = memoryview(block.data)
    times, values = points.cast("d")[0::4].tolist(), points.cast("d")[2::4].tolist()
    steps, numbers = points.cast("q")[1::4].tolist(), points.cast("q")[3::4].tolist()
    places: dict[int, Sequence[int]] = {number: [] for number in numbers}
    if len(places) == 1:
        places = {numbers[0]: range(len(numbers))}
    else:
        for place, number in enumerate(numbers):
            places[number].append(place)  # type: ignore[attr-defined]
    for number, mine in places.items():
        step = max([steps[place] for place in mine])
        time, last = max((times[place], place) for place in mine if steps[place] == step)
        known = [values[place] for place in mine if values[place] == values[place]]  # NaN is not
        yield number, step, time, values[last], min(known, default=None), max(known, default=None)


_LATEST = """
    INSERT INTO latest_metric VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET
        step = iif((excluded.step, excluded.time) >= (step, time), excluded.step, step),
        time = iif((excluded.step, excluded.time) >= (step, time), excluded.time, time),
        value = iif((excluded.step, excluded.time) >= (step, time), excluded.value, value),
        smallest = coalesce(min(smallest, excluded.smallest), smallest, excluded.smallest),
        largest = coalesce(max(largest, excluded.largest), largest, excluded.largest)
"""


@lru_cache(maxsize=16)
def _insert(count: int) -> str:
    """An INSERT of `count` points whose parameters are the run, the first place, and time, step, value, key of each.

    They have no numbers: SQLite looks up each number among all of the statement.
    """
    rows = ",".join(f"({n},?,?,?,?)" for n in range(count))
    return (
        f"INSERT OR IGNORE INTO metric SELECT ?, column5, ? + column1, column3, column2, column4 FROM (VALUES {rows})"
    )


@lru_cache(maxsize=16)
def _unpacker(count: int) -> struct.Struct:
    return struct.Struct("@" + METRIC.format.lstrip("@") * count)


def blob_path(database: Path, sha256: str) -> Path:
    """Where the content with this digest lies beside the database."""
    return database.parent / "blobs" / sha256[:2] / sha256


TABLES: dict[type, tuple[str, tuple[str, ...]]] = {
    Artifact: ("artifact", ("path", "size", "sha256")),
    Reference: ("reference", ("path", "size", "location")),
    Withheld: ("withheld", ("path", "rule")),
    Dataset: ("dataset", ("name", "context", "digest", "source", "schema", "profile")),
    Model: ("model", ("path", "flavor", "mlmodel", "size", "registered_name")),
    ModelTried: ("model_tried", ("path", "outcome", "detail")),
    ModelAlias: ("model_alias", ("name", "alias", "path")),
    Delivery: ("delivery", ("backend", "state", "delivered", "rejected", "error")),
    Console: ("console", ("stream", "text")),
    Redaction: ("redaction", ("channel", "rule", "action", "confidence", "count")),
    Warned: ("warning", ("kind", "message")),
    Lost: ("loss", ("what", "count", "reason")),
}

_COUNTED = (Console, Redaction, Warned, Lost)

_STORE: dict[type, Callable[[SqliteBackend, int, Any], None]] = {
    RunStarted: SqliteBackend._store_started,
    RunEnded: SqliteBackend._store_ended,
    Param: SqliteBackend._store_param,
    Tag: SqliteBackend._store_tag,
    Artifact: SqliteBackend._store_row,
    ArtifactRemoved: SqliteBackend._store_removed,
    Reference: SqliteBackend._store_row,
    Withheld: SqliteBackend._store_row,
    Dataset: SqliteBackend._store_row,
    Model: SqliteBackend._store_row,
    ModelTried: SqliteBackend._store_row,
    ModelAlias: SqliteBackend._store_row,
    Delivery: SqliteBackend._store_row,
}
