"""Runs in the memory of this process, for tests of what is logged: `memory://name`, or `memory`.

`reticent.testing.memory_store(name)` is what there is in one. It lasts as long as the process, over any number of openings.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from reticent.backends import Batch, Rejection, Target
from reticent.records import (
    Artifact,
    ArtifactRemoved,
    Metric,
    ModelAlias,
    Param,
    RunEnded,
    RunStarted,
    RunStatus,
    SealedRecord,
    Tag,
    is_under,
)


@dataclass
class StoredRun:
    """A run as it was delivered until now: what was logged in `records` and `points`, and what holds of it."""

    records: list[SealedRecord] = field(default_factory=list)
    points: list[Metric] = field(default_factory=list)
    contents: dict[str, bytes] = field(default_factory=dict)
    """Of each artifact that is kept."""

    @property
    def params(self) -> dict[str, str]:
        return {one.key: one.value for one in self.records if isinstance(one, Param)}

    @property
    def tags(self) -> dict[str, str]:
        return {one.key: one.value for one in self.records if isinstance(one, Tag)}

    @property
    def aliases(self) -> dict[str, str]:
        """The models that were given an alias, by "<registered model>@<alias>"."""
        found = sorted((one for one in self.records if isinstance(one, ModelAlias)), key=lambda one: one.time)
        return {f"{one.name}@{one.alias}": one.path for one in found}

    @property
    def metrics(self) -> dict[str, list[Metric]]:
        """The points of each key, by step."""
        found: defaultdict[str, list[Metric]] = defaultdict(list)
        for point in sorted(self.points, key=lambda point: point.step):
            found[point.key].append(point)
        return dict(found)

    @property
    def status(self) -> RunStatus:
        turns = [one for one in self.records if isinstance(one, (RunStarted, RunEnded))]
        return turns[-1].status if turns and isinstance(turns[-1], RunEnded) else RunStatus.RUNNING


@dataclass
class MemoryStore:
    identity: str = field(default_factory=lambda: uuid.uuid4().hex)
    runs: dict[str, StoredRun] = field(default_factory=dict)


stores: defaultdict[str, MemoryStore] = defaultdict(MemoryStore)
"""By the names in their URLs."""


class MemoryBackend:
    aliases = True

    def open(self, target: Target) -> str:
        self._store = stores[urlsplit(target.url).netloc + urlsplit(target.url).path]
        return self._store.identity

    def write(self, batch: Batch) -> Sequence[Rejection]:
        if not batch.mark.text:
            self._store.runs[batch.run_id] = StoredRun()
        run = self._store.runs[batch.run_id]
        records, points = map(int, (batch.mark.text or "0 0").split())
        del run.records[records:], run.points[points:]
        for entry in batch.entries:
            run.records.append(entry.record)
            _keep(batch, entry.record, run.contents)
        run.points += [point for block in batch.metrics for point in block]
        batch.mark.text = f"{len(run.records)} {len(run.points)}"
        return ()

    def close(self) -> None:
        pass


def _keep(batch: Batch, record: SealedRecord, contents: dict[str, bytes]) -> None:
    if isinstance(record, ArtifactRemoved):
        for path in [path for path in contents if is_under(path, record.path)]:
            del contents[path]
    elif isinstance(record, Artifact) and (file := batch.file(record)) is not None:
        content = file.read_bytes()
        if hashlib.sha256(content).hexdigest() == record.sha256:  # else a later one comes with a record of its own
            contents[record.path] = content
