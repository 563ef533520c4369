"""The next records of a run's log, as backends get them."""

from __future__ import annotations

import time
from collections.abc import Callable

from reticent.backends import Batch, Mark
from reticent.progress import Progress
from reticent.records import Entry, RunStarted, Warned
from reticent.runlog import RunReader, Skipped
from reticent_redact import SealedText

Seal = Callable[[str], SealedText]


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


def _damage(skipped: Skipped, seal: Seal) -> Entry:
    """What could not be read, as a warning in the run's health. No record has its place: it was not read."""
    message = f"{skipped.length} bytes of the run log were skipped: {skipped.reason} ({skipped.file})"
    warned = Warned(time=time.time(), kind=seal("damaged run log"), message=seal(message))
    return Entry(skipped.file, skipped.offset, warned)
