"""What a run's log says when the run goes on in another process."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from reticent.records import Param, RunStarted
from reticent.recovery import events
from reticent.runlog import RunReader
from reticent_redact import SealedText


@dataclass(slots=True)
class Earlier:
    """The start of a run, and its newest params."""

    started: RunStarted
    params: dict[str, SealedText] = field(default_factory=dict)


def read_back(directory: Path) -> Earlier | None:
    """What an earlier process logged; None if there is no such run."""
    earlier: Earlier | None = None
    for record in events(RunReader(directory)):
        if isinstance(record, RunStarted) and earlier is None:
            earlier = Earlier(record)
        elif isinstance(record, Param) and earlier is not None:
            earlier.params[record.key] = record.value
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
