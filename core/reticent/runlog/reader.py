"""Reads a run log from where a cursor stands, also while it is written, and whatever state its files are in."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from struct import Struct

import msgspec

from reticent.decoding import decodable
from reticent.process import is_alive
from reticent.records import LATEST, METRIC, Entry, MetricBlock, MetricKey, WriterClosed, WriterStarted
from reticent.runlog.events import SUFFIX, lines, unframe
from reticent.runlog.metrics import HEADER, MAGIC, VERSION, segment_name
from reticent_redact import SealedText

_BYTE_ORDERS = {0: "little", 1: "big"}
_LATEST = Struct("@Q").unpack(Struct("@d").pack(LATEST))[0]
"""The bits of a time, as a whole number, are below this and above 0 exactly if it is one that can be."""


@decodable
class Position(msgspec.Struct, omit_defaults=True):
    """Where reading goes on in one writer's files: a byte in its events; a segment, and a record in that."""

    events: int = 0
    segment: int = 0
    record: int = 0


@decodable
class Cursor(msgspec.Struct):
    """A position per writer. The same cursor on the same files reads the same records."""

    writers: dict[str, Position] = {}


@dataclass(frozen=True, slots=True)
class Skipped:
    """A part of a file that could not be read: where, how long, and why."""

    file: str
    offset: int
    length: int
    reason: str


@dataclass(slots=True)
class _Writer:
    name: str
    path: str
    """Of its events. Text, as paths take longer to make than the files to read."""
    started: WriterStarted | None = None
    closed: bool = False
    keys: dict[int, SealedText] = field(default_factory=dict)


class RunReader:
    """Reads one run's directory. `skipped` collects what could not be read since the reader was made."""

    def __init__(self, directory: Path, cursor: Cursor | None = None) -> None:
        self.directory = directory
        self.run_id = directory.name
        self.cursor = cursor or Cursor()
        self.skipped: list[Skipped] = []
        self._writers: dict[str, _Writer] = {}
        self._place = str(directory)

    def read(self, max_events: int = 1000, max_metrics: int = 20_000) -> tuple[list[Entry], list[MetricBlock]]:
        """The next records, empty when there are none yet; `cursor` then stands behind them."""
        entries: list[Entry] = []
        blocks: list[MetricBlock] = []
        for writer in self._discover():
            position = self.cursor.writers.setdefault(writer.name, Position())
            alive = self._is_alive(writer)
            # Points before events: a point's key is in the events before the point is in its segment.
            pending = list(self._read_metrics(writer, position, max_metrics, alive))
            entries += self._read_events(writer, position, max_events - len(entries), alive)
            blocks += [block for part in pending for block in self._known(writer, part)]
            max_metrics -= sum(len(block) for block in pending)
            if len(entries) >= max_events:
                break
        return entries, blocks

    def finished(self) -> bool:
        """Whether no writer of the run is still at work (each has closed its files, or its process is gone)."""
        return not any(self._is_alive(writer) for writer in self._discover())

    def _discover(self) -> list[_Writer]:
        try:
            with os.scandir(self._place) as entries:
                found = [
                    one.name for one in entries if one.name.endswith(SUFFIX) and one.is_file(follow_symlinks=False)
                ]
            names = sorted(name[: -len(SUFFIX)] for name in found)
        except OSError:  # no such directory, or none that can be read
            names = []
        for name in names:
            if name not in self._writers:
                self._writers[name] = self._recall(name)
        return [self._writers[name] for name in names]

    def _recall(self, name: str) -> _Writer:
        """What the events before the cursor said about the writer: its process, its keys, whether it has closed."""
        writer = _Writer(name, f"{self._place}/{name}{SUFFIX}")
        end = self.cursor.writers.get(name, Position()).events
        for number, (offset, line) in enumerate(lines(writer.path, 0, 1 << 62)):
            if offset > end and number > 0:
                break
            with contextlib.suppress(ValueError):
                self._note(writer, unframe(line))
        return writer

    def _note(self, writer: _Writer, record: object) -> None:
        writer.closed = isinstance(record, WriterClosed)
        if isinstance(record, MetricKey):
            writer.keys[record.number] = record.key
        elif isinstance(record, WriterStarted):
            writer.started = record

    def _is_alive(self, writer: _Writer) -> bool:
        if writer.closed:
            return False
        try:
            last_sign = os.stat(writer.path).st_mtime
        except OSError:
            return False
        if writer.started is None:  # its first line is still being written, or is damaged
            return time.time() - last_sign < 30
        started = writer.started
        return is_alive(started.machine, started.pid, started.process_started, last_sign)

    def _look_ahead(self, writer: _Writer) -> None:
        """Learn the metric keys in the events that were not read yet because a read has its limit."""
        for _, line in lines(writer.path, self.cursor.writers[writer.name].events, 1 << 62):
            with contextlib.suppress(ValueError):
                record = unframe(line)
                if isinstance(record, MetricKey):
                    writer.keys[record.number] = record.key

    def _read_events(self, writer: _Writer, position: Position, limit: int, alive: bool) -> Iterator[Entry]:
        path = writer.path
        size = os.stat(path).st_size
        if size == position.events:
            return
        for after, line in lines(path, position.events, limit):
            start, position.events = position.events, after
            if not line:
                continue  # a newline that ends a torn line before it
            try:
                record = unframe(line)
            except ValueError as error:
                self._skip(path, start, after - start, str(error) if len(str(error)) < 80 else "damaged event line")
                continue
            self._note(writer, record)
            yield Entry(writer.name, start, record)
        if not alive and limit > 0:
            rest = os.stat(path).st_size - position.events
            tail = next(lines(path, position.events, 1), None)
            if rest > 0 and tail is None:
                self._skip(path, position.events, rest, "torn last line")
                position.events += rest

    def _read_metrics(self, writer: _Writer, position: Position, limit: int, alive: bool) -> Iterator[MetricBlock]:
        while limit > 0:
            following = os.path.exists(self._segment_path(writer, position.segment + 1))
            segment = self._segment(self._segment_path(writer, position.segment), position.record, limit)
            if segment is None:
                if not following:
                    return
                self._skip(self._segment_path(writer, position.segment), 0, 0, "missing segment")
            else:
                first, data = segment
                if not following:
                    data = data[: _committed(data) if alive else _used(data)]
                if data:
                    yield MetricBlock(writer.name, first + position.record, writer.keys, data)
                    position.record += len(data) // METRIC.size
                    limit -= len(data) // METRIC.size
                if not following:
                    return
                if data:
                    continue
                self._note_gap(writer, position, first + position.record)
            position.segment, position.record = position.segment + 1, 0

    def _segment_path(self, writer: _Writer, number: int) -> str:
        return f"{self._place}/{segment_name(writer.name, number)}"

    def _note_gap(self, writer: _Writer, position: Position, expected: int) -> None:
        following = self._segment(self._segment_path(writer, position.segment + 1), 0, 0)
        if following is not None and following[0] > expected:
            offset = HEADER.size + position.record * METRIC.size
            missing = (following[0] - expected) * METRIC.size
            self._skip(self._segment_path(writer, position.segment), offset, missing, "truncated segment")

    def _segment(self, path: str, record: int, limit: int) -> tuple[int, bytes] | None:
        """The number of a segment's first record, and up to `limit` of its records from `record` on.

        None if there is no such segment yet. Of a damaged header the first number is made up for by the sizes of the
        segments before.
        """
        try:
            with open(path, "rb") as file:
                start = file.read(HEADER.size + METRIC.size)
                file.seek(HEADER.size + record * METRIC.size)
                data = file.read(limit * METRIC.size)
        except FileNotFoundError:
            return None
        data = data[: len(data) // METRIC.size * METRIC.size]
        head = start[: HEADER.size]
        if len(head) == HEADER.size:
            magic, version, order, size, first = HEADER.unpack(head)
            if (magic, version, size) == (MAGIC, VERSION, METRIC.size) and order in _BYTE_ORDERS:
                return int(first), data if _BYTE_ORDERS[order] == sys.byteorder else _swapped(data)
        if not any(start):
            return None  # just made: its header is not written yet
        self._skip(path, 0, len(head), "damaged segment header")
        writer, number, _ = os.path.basename(path).split(".")
        before = (Path(self._place, segment_name(writer, earlier)) for earlier in range(int(number)))
        return sum(earlier.stat().st_size // METRIC.size - 1 for earlier in before if earlier.exists()), data

    def _known(self, writer: _Writer, block: MetricBlock) -> Iterator[MetricBlock]:
        """`block` without its unusable records: never written (all zero) or damaged; usually the block itself."""
        words = memoryview(block.data).cast("Q")
        times, keys = words[0::4].tolist(), words[3::4].tolist()
        if not set(keys) <= writer.keys.keys():
            self._look_ahead(writer)
        if set(keys) <= writer.keys.keys() and min(times) > 0 and max(times) < _LATEST:
            yield block
            return
        start = 0
        usable = [key in writer.keys and 0 < moment < _LATEST for moment, key in zip(times, keys, strict=True)]
        unused = METRIC.size * b"\0"
        damaged = 0
        for index, good in enumerate([*usable, False]):
            if good:
                continue
            if index > start:
                data = block.data[start * METRIC.size : index * METRIC.size]
                yield MetricBlock(block.writer, block.first + start, block.keys, data)
            if index < len(block) and block.data[index * METRIC.size : (index + 1) * METRIC.size] != unused:
                damaged += 1
            start = index + 1
        if damaged:
            self.skipped.append(
                Skipped(f"{writer.name} metrics from {block.first}", 0, damaged * METRIC.size, "damaged metric records")
            )

    def _skip(self, path: str, offset: int, length: int, reason: str) -> None:
        skipped = Skipped(os.path.basename(path), offset, length, reason)
        if skipped not in self.skipped:
            self.skipped.append(skipped)


def _swapped(data: bytes) -> bytes:
    """Records in the other byte order; every field has 8 bytes."""
    words = array("Q", data)
    words.byteswap()
    return words.tobytes()


def _used(data: bytes) -> int:
    """The length of `data` without the records at its end that were reserved and never written."""
    return -(-len(data.rstrip(b"\0")) // METRIC.size) * METRIC.size


def _committed(data: bytes) -> int:
    """The length of the written records at the start of `data`, found by halving: those behind them are all zero."""
    low, high = 0, len(data) // METRIC.size
    while low < high:
        middle = (low + high) // 2
        if METRIC.unpack_from(data, middle * METRIC.size)[3]:
            low = middle + 1
        else:
            high = middle
    return low * METRIC.size
