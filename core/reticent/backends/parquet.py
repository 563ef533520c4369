"""Parquet files: a table for each kind of record, partitioned by run as Hive does it.

    <directory>/<table>/run_id=<id>/part-<n>.parquet      runs params tags metrics artifacts events
    <directory>/files/<id>/<path>                         the artifacts themselves

`read_parquet('<directory>/metrics/*/*.parquet', hive_types={'run_id': VARCHAR})` of DuckDB, or pandas'
`read_parquet('<directory>/metrics')`, make one table of a kind. Times are timestamps in UTC. A value that changed has a
row for each version; the newest holds. What has no table of its own is in `events`, as JSON text.

A batch is a part. Of small ones, and of all when the run has ended, one is made: `part-<first>-<last>.parquet`. The URL is
`parquet`, for `<root>/parquet`, or `parquet:///directory`.
"""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from reticent.backends import Batch, Rejection, Target
from reticent.backends.local import EVENTS, METRICS, identity, keep_artifact, table_of
from reticent.decoding import decodable
from reticent.files import inside, open_private, write_private
from reticent.records import METRIC, RunEnded, RunStarted, SealedRecord

MANY = 32
"""So many parts of a size become one."""

ROWS = 100_000
"""In a row group of a part made of others, which is what is held in memory of it."""

_NAME = re.compile(r"part-(\d+)(?:-(\d+))?\.parquet")
_COMPRESSION = "zstd"


@decodable
class _Mark(msgspec.Struct):
    """How many parts each table has, and whether the run has ended."""

    parts: dict[str, int] = {}
    ended: bool = False


class _Part(NamedTuple):
    first: int
    last: int
    path: Path


class ParquetBackend:
    needs = ("pyarrow",)
    aliases = True

    def open(self, target: Target) -> str:
        _, _, path = target.url.partition("://")
        self._directory = Path(path).expanduser() if path else target.root / "parquet"
        return identity(self._directory)

    def write(self, batch: Batch) -> Sequence[Rejection]:
        mark = msgspec.json.decode(batch.mark.text or "{}", type=_Mark)
        files = inside(self._directory, f"files/{batch.run_id}")
        if not batch.mark.text:
            shutil.rmtree(files, ignore_errors=True)
        rows: defaultdict[str, list[dict[str, object]]] = defaultdict(list)
        for entry in batch.entries:
            if (table := table_of(entry.record)) is not None:
                rows[table].append(_row(entry.record, table))
            if isinstance(entry.record, (RunStarted, RunEnded)):
                mark.ended = isinstance(entry.record, RunEnded)
            keep_artifact(batch, entry.record, files)
        for table, schema in _schemas().items():
            directory = inside(self._directory, f"{table}/run_id={batch.run_id}")
            parts = _parts(directory, count := mark.parts.get(table, 0))
            _merge(_too_many(parts, mark.ended), schema)
            content = _metrics(batch, schema) if table == METRICS else _table(rows[table], schema)
            if len(content):
                write_private(directory / f"part-{count:06d}.parquet", _encoded(content))
                mark.parts[table] = count + 1
        batch.mark.text = msgspec.json.encode(mark).decode()
        return ()

    def close(self) -> None:
        pass


@cache
def _schemas() -> dict[str, Any]:
    import pyarrow as pa

    text, time = pa.string(), ("time", pa.timestamp("us", "UTC"))
    value = [time, ("key", text), ("value", text)]
    run = [("type", text), ("name", text), ("experiment", text), ("parent_id", text), ("resumed", pa.bool_())]
    columns = {
        "runs": [time, *run, ("status", text), ("error", text), ("counts", text)],
        "params": [*value, ("origin", text)],
        "tags": value,
        METRICS: [time, ("key", text), ("step", pa.int64()), ("value", pa.float64())],
        "artifacts": [time, ("type", text), ("path", text), ("size", pa.int64()), ("sha256", text)],
        EVENTS: [time, ("type", text), ("record", text)],
    }
    return {table: pa.schema(fields) for table, fields in columns.items()}


def _row(record: SealedRecord, table: str) -> dict[str, object]:
    row: dict[str, object] = msgspec.to_builtins(record)
    time, kind = _microseconds(record.time), row["type"]
    if table == EVENTS:
        return {"time": time, "type": kind, "record": msgspec.json.encode(record).decode()}
    if "counts" in row:
        row["counts"] = msgspec.json.encode(row["counts"]).decode()
    return {**row, "time": time}


def _table(rows: list[dict[str, object]], schema: Any) -> Any:
    import pyarrow as pa

    return pa.Table.from_pylist(rows, schema)


def _metrics(batch: Batch, schema: Any) -> Any:
    import pyarrow as pa

    blocks = []
    for block in batch.metrics:
        times, steps, values, numbers = zip(*METRIC.iter_unpack(block.data), strict=True) if len(block) else ((),) * 4
        columns = [[*map(_microseconds, times)], [block.keys[number] for number in numbers], steps, values]
        arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
        blocks.append(pa.Table.from_arrays(arrays, schema=schema))
    return pa.concat_tables(blocks) if blocks else schema.empty_table()


def _microseconds(time: float) -> int:
    return round(time * 1e6)


def _encoded(table: Any) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    written = pa.BufferOutputStream()
    pq.write_table(table, written, compression=_COMPRESSION)
    return written.getvalue()


def _parts(directory: Path, count: int) -> list[_Part]:
    """The parts of a table that hold, in order. What was written behind the mark is removed, and what another part has
    taken in."""
    found = []
    for path in directory.iterdir() if directory.is_dir() else ():
        if name := _NAME.fullmatch(path.name):
            found.append(_Part(int(name[1]), int(name[2] or name[1]), path))
    parts: list[_Part] = []
    for part in sorted(found, key=lambda part: (part.first, -part.last)):
        if part.last >= count or (parts and part.last <= parts[-1].last):
            part.path.unlink()
        else:
            parts.append(part)
    return parts


def _too_many(parts: list[_Part], ended: bool) -> list[_Part]:
    """Those that are to become one: a whole run's once it has ended, until then many that hold equally many batches."""
    if ended:
        return parts if len(parts) > 2 else []
    alike = [list(group) for _, group in groupby(parts, lambda part: part.last - part.first)]
    return next((group for group in alike if len(group) >= MANY), [])


def _merge(parts: list[_Part], schema: Any) -> None:
    """Make one part of several that a mark has counted: whoever comes with that mark again finds the same rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not parts:
        return
    target = parts[0].path.with_name(f"part-{parts[0].first:06d}-{parts[-1].last:06d}.parquet")
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        with (
            os.fdopen(open_private(temporary, os.O_WRONLY | os.O_EXCL), "wb") as file,
            pq.ParquetWriter(file, schema, compression=_COMPRESSION) as writer,
        ):
            for batches in _row_groups(parts):
                writer.write_table(pa.Table.from_batches(batches, schema))
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    for part in parts:
        part.path.unlink()


def _row_groups(parts: list[_Part]) -> Iterator[list[Any]]:
    import pyarrow.parquet as pq

    held: list[Any] = []
    for part in parts:
        with pq.ParquetFile(part.path) as file:
            for batch in file.iter_batches():
                held.append(batch)
                if sum(map(len, held)) >= ROWS:
                    yield held
                    held = []
    if held:
        yield held
