"""Runs as their run logs have them, whatever backends there are."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from reticent import records, sessions
from reticent.runlog import RunReader


@dataclass
class Captured:
    """One run. Of a key that was logged more than once the newest value is here, and a warning says that."""

    run_id: str
    status: str = "RUNNING"
    error: str | None = None
    parent_id: str | None = None
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, list[tuple[int, float]]] = field(default_factory=lambda: defaultdict(list))
    artifacts: list[str] = field(default_factory=list)
    """Those that were not removed again."""
    models: list[str] = field(default_factory=list)
    datasets: list[tuple[str, str]] = field(default_factory=list)
    """Name and context of each."""
    warnings: list[str] = field(default_factory=list)


def captured(root: Path, timeout: float = 60.0) -> list[Captured]:
    """The runs under `root`, the oldest first, when the background work of this process is done."""
    if sessions._session is not None:
        assert sessions._session.flush(timeout), "the work in the background did not end in time"
    started: list[tuple[float, Captured]] = []
    for directory in (root / "runs").glob("*"):
        reader = RunReader(directory)
        run = Captured(directory.name)
        entries, blocks = reader.read(1_000_000, 1_000_000)
        for block in blocks:
            for metric in block:
                run.metrics[metric.key].append((metric.step, metric.value))
        times = [_note(run, entry.record) for entry in entries]
        started.append((min(times), run))
        assert not reader.skipped, reader.skipped
    return [run for _, run in sorted(started, key=lambda pair: pair[0])]


def _note(run: Captured, record: records.SealedRecord) -> float:
    if isinstance(record, records.RunStarted):
        run.parent_id = record.parent_id
    elif isinstance(record, records.RunEnded):
        run.status, run.error = record.status.value, record.error
    elif isinstance(record, records.Param):
        run.params[record.key] = record.value
    elif isinstance(record, records.Tag):
        run.tags[record.key] = record.value
    elif isinstance(record, records.Artifact):
        run.artifacts.append(record.path)
    elif isinstance(record, records.ArtifactRemoved):
        gone = record.path, f"{record.path}/"
        run.artifacts = [path for path in run.artifacts if path != gone[0] and not path.startswith(gone[1])]
    elif isinstance(record, records.Model):
        run.models.append(record.path)
    elif isinstance(record, records.Dataset):
        run.datasets.append((record.name, record.context))
    elif isinstance(record, records.Warned):
        run.warnings.append(record.message)
    return record.time
