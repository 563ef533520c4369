"""What a run's log says when the run goes on in another process, and which run a training that is resumed belongs to."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from reticent.files import read_note, write_private
from reticent.records import Param, RunStarted
from reticent.recovery import events
from reticent.runlog import RUN_ID, RunReader
from reticent_redact import SealedText

if TYPE_CHECKING:
    from reticent.session import Session

_PLACES = "resumable"
"""The directory under the root with a note for each place; what the place is called cannot be read from it."""


@dataclass(slots=True)
class Earlier:
    """The start of a run, its newest params, and when it last logged something of the kind."""

    started: RunStarted
    params: dict[str, SealedText] = field(default_factory=dict)
    last: float = 0.0


def read_back(directory: Path) -> Earlier | None:
    """What an earlier process logged; None if there is no such run."""
    earlier: Earlier | None = None
    for record in events(RunReader(directory)):
        if isinstance(record, RunStarted) and earlier is None:
            earlier = Earlier(record)
        elif isinstance(record, Param) and earlier is not None:
            earlier.params[record.key] = record.value
        if earlier is not None:
            earlier.last = record.time
    return earlier


def next_steps(directory: Path) -> Counter[str]:
    """For each metric in a run's log, the step that follows its largest one."""
    steps: Counter[str] = Counter()
    reader = RunReader(directory)
    while True:
        entries, blocks = reader.read()
        for block in blocks:
            for metric in block:
                steps[metric.key] = max(steps[metric.key], metric.step + 1)
        if not entries and not blocks:
            return steps


def remember(session: Session, place: str | os.PathLike[str], run_id: str) -> None:
    """Note that a training captured in this run writes what it can be resumed from to `place`, a file or a directory.

    The place itself stays as the training has written it. OSError if the note cannot be written.
    """
    write_private(_note(session, place), run_id.encode())


def run_at(session: Session, place: str | os.PathLike[str]) -> str | None:
    """The run of the training that last wrote to a place, if it is there still."""
    try:
        run_id = read_note(_note(session, place)).decode("utf-8", "replace")
    except OSError:
        return None
    return run_id if RUN_ID.fullmatch(run_id) and session.run_directory(run_id).is_dir() else None


def _note(session: Session, place: str | os.PathLike[str]) -> Path:
    known_by = blake2b(os.fsencode(os.path.realpath(place)), key=session.root_key(), digest_size=16)
    return session.root / _PLACES / known_by.hexdigest()
