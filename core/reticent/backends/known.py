"""What backends that make whole files of a run know of it from earlier batches."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from reticent.backends import Batch
from reticent.decoding import decodable
from reticent.records import (
    Artifact,
    ArtifactRemoved,
    Dataset,
    Model,
    Param,
    Reference,
    RunEnded,
    RunStarted,
    SealedRecord,
    Tag,
    is_under,
)


@decodable
class Known(msgspec.Struct, omit_defaults=True):
    """A run but for its points, events and the content of its files; the newest value of each thing."""

    run_id: str
    name: str = ""
    experiment: str = ""
    parent_id: str | None = None
    status: str = "RUNNING"
    started: float = 0.0
    ended: float | None = None
    error: str | None = None
    params: dict[str, str] = {}
    tags: dict[str, str] = {}
    datasets: dict[str, dict[str, str]] = {}
    references: dict[str, str] = {}
    models: dict[str, str] = {}
    artifacts: dict[str, dict[str, str]] = {}

    def learn(self, record: SealedRecord) -> None:
        if isinstance(record, Param):
            self.params[record.key] = record.value
        elif isinstance(record, Tag):
            self.tags[record.key] = record.value
        elif isinstance(record, Dataset):
            told: dict[str, str] = {"context": record.context, "digest": record.digest, "source": record.source}
            self.datasets[record.name] = told
        elif isinstance(record, Reference):
            self.references[record.path] = record.location
        elif isinstance(record, Model):
            self.models[record.path] = record.flavor
        elif isinstance(record, Artifact):
            self.artifacts[record.path] = {"sha256": record.sha256}
        elif isinstance(record, ArtifactRemoved):
            for kept in (self.artifacts, self.models):
                for path in [path for path in kept if is_under(path, record.path)]:
                    del kept[path]
        elif isinstance(record, RunStarted):
            self.name, self.experiment, self.parent_id = record.name, record.experiment, record.parent_id
            self.status, self.started, self.ended, self.error = "RUNNING", self.started or record.time, None, None
        elif isinstance(record, RunEnded):
            self.status, self.ended, self.error = record.status.value, record.time, record.error


SomeKnown = TypeVar("SomeKnown", bound=Known)


def recall(note: Path, batch: Batch, kind: type[SomeKnown]) -> SomeKnown:
    """What a note says of the run of a batch, or what the batch says of how it began."""
    try:
        return msgspec.json.decode(note.read_bytes(), type=kind)
    except (FileNotFoundError, msgspec.DecodeError):
        known = kind(batch.run_id)
        if batch.started is not None:
            known.learn(batch.started)
        return known
