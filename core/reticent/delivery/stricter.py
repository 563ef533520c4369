"""What a backend with a policy of its own gets: records and files as sealed in the run log, sealed again by that policy."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from reticent.backends import Batch
from reticent.files import sha256_of, share
from reticent.models.mlmodel import FILE as MLMODEL
from reticent.models.mlmodel import relisted
from reticent.records import Artifact, Entry, MetricBlock, SealedRecord, Withheld
from reticent.resealing import reseal, reseal_text
from reticent_redact import Redactor, SealedText
from reticent_redact import Withheld as WithheldFile

_ATTEMPTS = 3
"""A secret may stand before the key that gives it away, so a batch in which one was learned is looked at again."""

_STALE_S = 86_400
"""Files for a write that began so long ago are those of a process that was killed."""


@dataclass(frozen=True, slots=True)
class _Sealed(Batch):
    """A batch with files of its own, by the path and the SHA-256 in their records."""

    files: Mapping[tuple[str, str], Path] = field(default_factory=dict)

    def file(self, artifact: Artifact) -> Path | None:
        return self.files.get((artifact.path, artifact.sha256))


class Stricter:
    """Between the run log and one backend. `base` is the redactor of this process, and what it knows is known here."""

    def __init__(self, redactor: Redactor, base: Redactor) -> None:
        self._redactor = redactor
        self._base = base
        self._known_to_base = -1
        self._metric_names: dict[str, SealedText] = {}
        self._names_known = -1
        self._changed: dict[str, dict[str, tuple[int, str]]] = {}
        """By run: the files that are other ones for this backend."""

    @contextlib.contextmanager
    def batch(self, batch: Batch, directory: Path) -> Iterator[Batch]:
        """`batch` as the backend may have it, for as long as it is written; its files lie in `directory` until then.

        OSError if they cannot be made: then nothing is delivered.
        """
        if self._known_to_base != self._base.known.generation:
            self._known_to_base = self._base.known.generation
            self._redactor.inherit(self._base)
        _remove_stale(directory)
        place = directory / f"{os.getpid()}-{uuid.uuid4().hex}"
        try:
            for _ in range(_ATTEMPTS):
                known = self._redactor.known.generation
                sealed = self._sealed(batch, place / uuid.uuid4().hex)
                if known == self._redactor.known.generation:
                    break
            yield sealed
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def _sealed(self, batch: Batch, place: Path) -> Batch:
        files: dict[tuple[str, str], Path] = {}
        entries = [
            replace(entry, record=record)
            for entry in batch.entries
            if (record := self._record(batch, entry, place, files)) is not None
        ]
        metrics = [self._metrics(block) for block in batch.metrics]
        started = None if batch.started is None else reseal(batch.started, self._redactor)
        return _Sealed(batch.run_id, batch.directory, entries, metrics, started, batch.mark, files)

    def _record(
        self, batch: Batch, entry: Entry, place: Path, files: dict[tuple[str, str], Path]
    ) -> SealedRecord | None:
        record = reseal(entry.record, self._redactor, changed=self._changed.get(batch.run_id, {}))
        if not isinstance(entry.record, Artifact) or not isinstance(record, Artifact):
            return record
        original = self._taken(batch, entry.record, place)
        if original is None:
            return record
        path = place / uuid.uuid4().hex
        sealed = self._redactor.seal_file(original, path, name=Path(entry.record.path).name, workspace=place)
        if isinstance(sealed, WithheldFile):
            return Withheld(time=record.time, path=record.path, rule=sealed.rule, staged=record.staged)
        if sealed.sha256 == record.sha256:
            path.unlink()  # the same: one of them is enough
            files[record.path, record.sha256] = original
            return record
        self._changed.setdefault(batch.run_id, {})[record.sha256] = sealed.size, sealed.sha256
        files[record.path, sealed.sha256] = path
        return msgspec.structs.replace(record, size=sealed.size, sha256=sealed.sha256)

    def _taken(self, batch: Batch, artifact: Artifact, place: Path) -> Path | None:
        """The file of an artifact, where no later version takes its place; None if one has, or if there is none."""
        source = batch.file(artifact)
        if source is None:
            return None
        taken = place / uuid.uuid4().hex
        try:
            share(source, taken)
        except FileNotFoundError:
            return None
        if sha256_of(taken) != artifact.sha256:
            return None
        changed = self._changed.get(batch.run_id)
        if changed and source.name == MLMODEL:
            text = taken.read_text("utf-8", "surrogateescape")
            taken = taken.with_name(uuid.uuid4().hex)
            taken.write_text(relisted(text, changed), "utf-8", "surrogateescape")
        return taken

    def _metrics(self, block: MetricBlock) -> MetricBlock:
        if self._names_known != self._redactor.known.generation:
            self._names_known = self._redactor.known.generation
            self._metric_names.clear()
        names = self._metric_names
        for name in block.keys.values():
            if name not in names:
                names[name] = reseal_text(name, self._redactor, "metric name")
        return replace(block, keys={number: names[name] for number, name in block.keys.items()})


def _remove_stale(directory: Path) -> None:
    with contextlib.suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            if time.time() - entry.stat(follow_symlinks=False).st_mtime > _STALE_S:
                shutil.rmtree(entry.path, ignore_errors=True)
