"""What one process appends to one run: an event file, metric segments, and the numbers of its metric keys."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from reticent.files import make_directory, reserves
from reticent.ownfile import OwnDescriptor
from reticent.process import this_process
from reticent.records import METRIC, Lost, MetricKey, SealedRecord, WriterClosed, WriterStarted
from reticent.runlog.events import SUFFIX, EventWriter
from reticent.runlog.metrics import AppendedSegment, MappedSegment, segment_name
from reticent_redact import SealedText

RETRY_S = 0.05
"""After the disk has refused to open a file, records are refused at once for this long: training is not slowed by it."""


class LogWriter:
    """Opened by its first record, closed by `close`, opened again by a late record; new files after a fork.

    `write_metric(packed)` and `keys` are the hot path, see `Run.log_metric`: `write_metric` raises ValueError when the
    segment is full or closed, and then `append_metric` takes the record.
    """

    def __init__(self, directory: Path, host: SealedText) -> None:
        self.directory = directory
        self.keys: dict[str, int] = {}
        self._host = host
        self._lock = threading.RLock()
        self._every = 1
        self._reason = host
        self._reset()

    def _reset(self) -> None:
        self.name = f"{int(time.time() * 1000):x}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self.keys.clear()
        self.write_metric: Callable[[bytes], object] = _closed
        self._path: Path | None = None
        """Where the events are, once there are some."""
        self._events: EventWriter | None = None
        self._segment: MappedSegment | AppendedSegment | None = None
        self._segments = 0
        self._metrics = 0
        self._refusal: tuple[float, OSError] | None = None
        self._seen: Counter[int] = Counter()
        self._skipped: dict[int, bytes] = {}
        self._thinned = 0
        self._synced: dict[Path, int] = {}
        """How many records, or writes, the disk has of each open file."""

    def forked(self) -> None:
        """In a forked child: leave the parent's files to the parent, start others with the next record."""
        self._lock = threading.RLock()
        if self._events is not None:
            self._events.close()
        if self._segment is not None:
            self._segment.leave()
        self._every = 1
        self._reset()

    def append(self, *records: SealedRecord) -> None:
        """OSError when they cannot be written."""
        with self._lock:
            self.check_there()
            if self._events is None:
                with self._opening():
                    self._events = self._open_events()
            self._events.append(records)

    def intern(self, raw: str, key: SealedText) -> int:
        """The number that stands for `key` in this writer's metric records; `raw` is how the caller spells it."""
        with self._lock:
            number = self.keys.get(raw)
            if number is None:
                number = len(self.keys) + 1
                self.append(MetricKey(time=time.time(), number=number, key=key))
                self.keys[raw] = number
            return number

    def append_metric(self, packed: bytes) -> None:
        """Write to a new segment, or to the current one if another thread has just opened it. OSError on a full disk."""
        with self._lock:
            if self._segment is not None:
                try:
                    self._segment.write(packed)
                    return
                except ValueError:
                    self._close_segment()
            with self._opening():
                if self._events is None:
                    self._events = self._open_events()
                self._segment = self._open_segment()
            self._segment.write(packed)
            self.write_metric = self._segment.write if self._every == 1 else self._write_thinned

    def thin(self, every: int, reason: SealedText) -> None:
        """From now on write every n-th point of each metric, and say why; 1: all of them."""
        with self._lock:
            self._write_skipped()  # before what comes, so that the points of a metric stay in their order
            self._every, self._reason = every, reason
            if self._segment is not None:
                self.write_metric = self._segment.write if every == 1 else self._write_thinned

    def note_thinned(self) -> None:
        """Have the log say how many points were left out since it last did. OSError when that cannot be written."""
        with self._lock:
            if self._thinned:
                self.append(
                    Lost(time=time.time(), what="metric points thinned", count=self._thinned, reason=self._reason)
                )
                self._thinned = 0

    def _write_thinned(self, packed: bytes) -> None:
        with self._lock:
            if self._segment is None:
                raise ValueError("no segment is open")
            key = METRIC.unpack(packed)[3]
            keep = self._seen[key] % self._every == 0
            if keep:
                self._segment.write(packed)
            self._seen[key] += 1
            self._thinned += self._skipped.pop(key, None) is not None
            if not keep:
                self._skipped[key] = packed  # the last one of all is written in the end

    def _write_skipped(self) -> None:
        """Write the last point of each metric, if it was left out."""
        skipped, self._skipped = self._skipped, {}
        for packed in skipped.values():
            self.append_metric(packed)

    def metric_count(self) -> int:
        segment = self._segment
        return self._metrics + (segment.count() if segment is not None else 0)

    def deleted(self) -> bool:
        """Whether somebody has deleted the log since it was begun."""
        return self._path is not None and not self._path.exists()

    def check_there(self) -> None:
        """FileNotFoundError if it was deleted: what would follow is a run without a beginning."""
        if self.deleted():
            raise FileNotFoundError(errno.ENOENT, "it was deleted while it was written")

    def sync(self) -> None:
        """Have the disk hold what the kernel has, and show that this process lives."""
        with self._lock:
            if self._events is None:
                return
            heartbeat = self._events.file.path
            parts = {part.file.path: part.count() for part in (self._events, self._segment) if part is not None}
            grown = [path for path, count in parts.items() if self._synced.get(path) != count]
        for path in grown:
            # Opened once more, as the writing goes on meanwhile, and may close the segment.
            opened = OwnDescriptor(os.open(path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0)))
            try:
                getattr(os, "fdatasync", os.fsync)(opened.number)
            finally:
                opened.close()
        self._synced = parts
        os.utime(heartbeat)

    def close(self) -> None:
        with self._lock:
            if self._events is None:
                return
            with contextlib.suppress(OSError):
                self._write_skipped()
                self.note_thinned()
            self.write_metric = _closed
            self._close_segment()
            events, self._events = self._events, None
            self._synced = {}
            # The files stay this process's own: a late record opens them again.
            with contextlib.closing(events):
                events.append((WriterClosed(time=time.time(), metrics=self._metrics),))

    @contextlib.contextmanager
    def _opening(self) -> Iterator[None]:
        """Files are opened in here, unless the disk has just refused to."""
        self.check_there()
        if self._refusal is not None and time.monotonic() < self._refusal[0]:
            raise OSError(self._refusal[1].errno, self._refusal[1].strerror)
        try:
            yield
        except OSError as error:
            self._refusal = time.monotonic() + RETRY_S, error
            raise

    def _open_events(self) -> EventWriter:
        make_directory(self.directory)
        path = self.directory / (self.name + SUFFIX)
        me = this_process()
        started = WriterStarted(
            time=time.time(),
            host=self._host,
            machine=me.machine,
            pid=me.pid,
            process_started=me.started,
            byteorder=sys.byteorder,
        )
        events = EventWriter(path)
        self._path = path
        try:
            events.append((started,))
            os.utime(self.directory)  # what has delivered the run sees by this that there is more, also in an old file
        except OSError:
            events.close()
            raise
        return events

    def _open_segment(self) -> MappedSegment | AppendedSegment:
        path = self.directory / segment_name(self.name, self._segments)
        kind = MappedSegment if _may_map(self.directory.parent) else AppendedSegment
        segment = kind(path, self._metrics, self._segments)
        self._segments += 1
        return segment

    def _close_segment(self) -> None:
        if self._segment is not None:
            segment, self._segment = self._segment, None
            self._metrics += segment.close()


_trusted: dict[Path, bool] = {}


def _may_map(runs: Path) -> bool:
    if runs not in _trusted:
        _trusted[runs] = reserves(runs)
    return _trusted[runs]


def _closed(_packed: bytes) -> object:
    raise ValueError("no segment is open")
