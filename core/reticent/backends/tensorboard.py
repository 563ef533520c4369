"""TensorBoard's event files: one directory for each run, `<name>-<first 8 of the run's id>`.

    events.out.tfevents.<start>.hparams   params and status for the HParams dashboard, and as tables of text: made anew
                                          whenever they change, for a session has one record of each there
    events.out.tfevents.<start>.metrics   points, and images and small texts that were logged as artifacts
    artifacts/                            all files

Of the two names the one that grows is the last in order, since TensorBoard's readers do not go back. The URL is
`tensorboard`, for `<root>/tensorboard`, or `tensorboard:///directory`. TensorFlow is not imported.
"""

from __future__ import annotations

import contextlib
import io
import math
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from reticent.backends import Batch, Rejection, Target
from reticent.backends.local import append, identity, keep_artifact
from reticent.decoding import decodable
from reticent.files import inside, make_directory, sha256_of, write_private
from reticent.records import Artifact, Dataset, Param, RunEnded, RunStarted, RunStatus, SealedRecord, Tag

_NOTE = ".reticent.json"
_TEXTS = {".txt", ".md", ".log", ".json", ".yaml", ".yml", ".toml", ".csv"}
_IMAGES = {".png", ".jpg", ".jpeg"}
MOST_TEXT = 100_000
MOST_IMAGE = 4_000_000
"""Bytes; checksums of event files are computed in Python, in some 0.2 s for a megabyte."""


@decodable
class Known(msgspec.Struct):
    """What the HParams file of a run is made from. `tables` are texts by key, by the table's name."""

    run_id: str
    started: float = 0.0
    ended: float = 0.0
    tables: dict[str, dict[str, str]] = {}

    def learn(self, record: SealedRecord) -> None:
        if isinstance(record, Param):
            self._note("params", record.key, record.value)
        elif isinstance(record, Tag):
            self._note("tags", record.key, record.value)
        elif isinstance(record, Dataset):
            self._note("datasets", record.name, f"{record.context} {record.digest} {record.source}")
        elif isinstance(record, RunStarted):
            self.started, self.ended = self.started or record.time, 0.0
            told = {"id": record.run_id, "name": record.name, "experiment": record.experiment}
            for key, value in {**told, "parent": record.parent_id or "", "status": "RUNNING", "error": ""}.items():
                self._note("run", key, value)
        elif isinstance(record, RunEnded):
            self.ended = record.time
            self._note("run", "status", record.status.value)
            self._note("run", "error", record.error or "")

    def _note(self, table: str, key: str, value: str) -> None:
        self.tables.setdefault(table, {})[key] = value

    @property
    def status(self) -> str:
        return self.tables.get("run", {}).get("status", "RUNNING")


class TensorBoardBackend:
    needs = ("tensorboard", "PIL")

    def open(self, target: Target) -> str:
        _, _, path = target.url.partition("://")
        self._directory = Path(path).expanduser() if path else target.root / "tensorboard"
        return identity(self._directory)

    def write(self, batch: Batch) -> Sequence[Rejection]:
        if not batch.mark.text:
            self._forget(batch.run_id)
        directory = inside(self._directory, _directory_name(batch))
        make_directory(directory)
        start = f"events.out.tfevents.{0 if batch.started is None else int(batch.started.time):010d}"
        before = _known(directory, batch.run_id)
        known = _known(directory, batch.run_id)
        if batch.started is not None and not known.started:
            known.learn(batch.started)
        for entry in batch.entries:
            known.learn(entry.record)
            keep_artifact(batch, entry.record, directory / "artifacts")
        if known != before:
            write_private(directory / _NOTE, msgspec.json.encode(known))
            write_private(directory / f"{start}.hparams", _file(_summaries(known), known.started))
        length = int(batch.mark.text or 0)
        data = _file(_points(batch), known.started if length == 0 else None)
        batch.mark.text = str(append(directory / f"{start}.metrics", length, data))
        return ()

    def close(self) -> None:
        pass

    def _forget(self, run_id: str) -> None:
        """Remove what there is of a run that now comes from its start: its name may be another one now."""
        for note in self._directory.glob(f"*-{run_id[:8]}/{_NOTE}"):
            directory = inside(self._directory, note.parent.name)
            if _known(directory, run_id).run_id != run_id:
                continue
            shutil.rmtree(directory / "artifacts", ignore_errors=True)
            for ours in (
                *directory.glob("events.out.tfevents.*.hparams"),
                *directory.glob("events.out.tfevents.*.metrics"),
                note,
            ):
                ours.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # files of others lie there
                directory.rmdir()


def _directory_name(batch: Batch) -> str:
    name = "run" if batch.started is None else re.sub(r"[^\w.-]+", "_", batch.started.name)[:40].lstrip(".")
    return f"{name}-{batch.run_id[:8]}"


def _known(directory: Path, run_id: str) -> Known:
    try:
        return msgspec.json.decode((directory / _NOTE).read_bytes(), type=Known)
    except (FileNotFoundError, msgspec.DecodeError):
        return Known(run_id)


def _file(events: Iterator[Any], begun: float | None) -> bytes:
    """Events as they lie in a file, at its beginning if it is known when that began."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.record_writer import RecordWriter

    written = io.BytesIO()
    writer = RecordWriter(written)
    if begun is not None:
        writer.write(Event(wall_time=begun, file_version="brain.Event:2").SerializeToString())
    for event in events:
        writer.write(event.SerializeToString())
    return written.getvalue()


def _points(batch: Batch) -> Iterator[Any]:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    for block in batch.metrics:
        for one in block:
            value = Summary.Value(tag=one.key, simple_value=one.value)
            yield Event(wall_time=one.time, step=one.step, summary=Summary(value=[value]))
    for entry in batch.entries:
        if isinstance(entry.record, Artifact) and (shown := _shown(batch, entry.record)) is not None:
            yield Event(wall_time=entry.record.time, summary=Summary(value=[shown]))


def _summaries(known: Known) -> Iterator[Any]:
    """What the HParams and Text dashboards show of a run."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import api_pb2, metadata
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo

    def hparams(tag: str, content: Any) -> Any:
        told = metadata.create_summary_metadata(content)
        return Summary.Value(tag=tag, metadata=told, tensor=metadata.NULL_TENSOR)

    start = SessionStartInfo(group_name=known.run_id, start_time_secs=known.started)
    for key, text in known.tables.get("params", {}).items():
        _set(start.hparams[key], text)
    values = [hparams(metadata.SESSION_START_INFO_TAG, HParamsPluginData(session_start_info=start))]
    if known.ended:
        status = api_pb2.STATUS_SUCCESS if known.status == RunStatus.FINISHED.value else api_pb2.STATUS_FAILURE
        end = SessionEndInfo(status=status, end_time_secs=known.ended)
        values.append(hparams(metadata.SESSION_END_INFO_TAG, HParamsPluginData(session_end_info=end)))
    for name, table in known.tables.items():
        cells = [cell for row in table.items() for cell in row]
        values.append(_text(f"run/{name}", cells, [len(table), 2]))
    for value in values:
        yield Event(wall_time=known.started, summary=Summary(value=[value]))


def _set(hparam: Any, text: str) -> None:
    """A param as the dashboard can sort it and draw it: as a number where it is one."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if text in ("True", "False"):
        hparam.bool_value = text == "True"
    elif math.isfinite(number):
        hparam.number_value = number
    else:
        hparam.string_value = text


def _text(tag: str, strings: Sequence[str], shape: Sequence[int]) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboard.compat.proto.types_pb2 import DT_STRING
    from tensorboard.plugins.text.metadata import create_summary_metadata

    sizes = TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in shape])
    tensor = TensorProto(dtype=DT_STRING, tensor_shape=sizes, string_val=[text.encode() for text in strings])
    return Summary.Value(tag=tag, metadata=create_summary_metadata(tag, ""), tensor=tensor)


def _shown(batch: Batch, record: Artifact) -> Any:
    """An artifact as a dashboard shows it; None for one that none does."""
    kind = Path(record.path).suffix.lower()
    most = MOST_IMAGE if kind in _IMAGES else MOST_TEXT if kind in _TEXTS else -1
    file = batch.file(record)
    if record.size > most or file is None or sha256_of(file) != record.sha256:
        return None
    content, tag = file.read_bytes(), f"artifacts/{record.path}"
    if kind in _IMAGES:
        return _image(tag, content)
    text = content.decode("utf-8", "replace")
    if kind != ".md":  # the dashboard takes all text for Markdown; indented it stays as it is
        text = "".join(f"    {line}" for line in text.splitlines(keepends=True))
    return _text(tag, [text], [])


def _image(tag: str, content: bytes) -> Any:
    from PIL import Image
    from tensorboard.compat.proto.summary_pb2 import Summary

    try:
        with Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as image:
            (width, height), bands = image.size, len(image.getbands())
    except Exception:  # noqa: BLE001 - whatever a broken picture brings about there, it is kept as a file all the same
        return None
    picture = Summary.Image(height=height, width=width, colorspace=bands, encoded_image_string=content)
    return Summary.Value(tag=tag, image=picture)
