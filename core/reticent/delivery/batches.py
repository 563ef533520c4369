"""The next records of a run's log, as backends get them: which, how many at once, and how they count."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from reticent.backends import Backend, Batch, Mark, Rejection, RunUnavailableError
from reticent.progress import Progress
from reticent.records import Delivery, Entry, ModelAlias, RunStarted, Warned, WriterClosed, WriterStarted
from reticent.runlog import RunReader, Skipped
from reticent_redact import SealedText

Seal = Callable[[str], SealedText]

LONG_S = 2.0
"""A write that takes longer is not followed by a larger one: what is interrupted was in vain."""

_UNCOUNTED = (Delivery, WriterStarted, WriterClosed)


class Size:
    """How many records one write to a backend may have, `most` at first."""

    def __init__(self, most: int) -> None:
        self.now = self._most = most

    @contextmanager
    def tried(self) -> Iterator[None]:
        """Around a write: the next has half as many if it fails, and twice as many if it took no time."""
        begun, self.now = time.monotonic(), max(self.now // 2, 1)
        try:
            yield
        except RunUnavailableError:
            # It was not for its size, and what follows a file that fails is to be in it.
            self.now = min(self._most, self.now * 2)
            raise
        longer = time.monotonic() - begun > LONG_S
        self.now = min(self._most, self.now * (1 if longer else 4))


def next_batch(reader: RunReader, progress: Progress, most: int, seal: Seal) -> Batch | None:
    """What follows in a run's log, up to `most` events and as many points; None if nothing does."""
    known = len(reader.skipped)
    entries, metrics = reader.read(max_events=most, max_metrics=most)
    entries += [_damage(skipped, seal) for skipped in reader.skipped[known:]]
    if not entries and not metrics:
        return None
    if progress.started is None:
        progress.started = next((one.record for one in entries if isinstance(one.record, RunStarted)), None)
    return Batch(reader.run_id, reader.directory, entries, metrics, progress.started, Mark(progress.mark))


def count(progress: Progress, batch: Batch, backend: str) -> None:
    """Note that a backend of this name has got a batch."""
    progress.delivered += sum(map(len, batch.metrics))
    for entry in batch.entries:
        if isinstance(entry.record, Delivery) and entry.record.backend == backend:
            progress.said = entry.record.state
        progress.delivered += not isinstance(entry.record, _UNCOUNTED)


def unkept(batch: Batch, backend: Backend, name: str) -> list[Rejection]:
    """What a backend of this name has no place for, and so does not look at."""
    aliases = [one for one in batch.entries if isinstance(one.record, ModelAlias)]
    if not aliases or getattr(backend, "aliases", False):
        return []
    return [Rejection(len(aliases), f"{name} has no aliases of registered models")]


def _damage(skipped: Skipped, seal: Seal) -> Entry:
    """What could not be read, as a warning in the run's health. No record has its place: it was not read."""
    message = f"{skipped.length} bytes of the run log were skipped: {skipped.reason} ({skipped.file})"
    warned = Warned(time=time.time(), kind=seal("damaged run log"), message=seal(message))
    return Entry(skipped.file, skipped.offset, warned)
