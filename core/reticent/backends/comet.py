"""Comet's offline archives, without Comet: one for each run, which `comet upload` sends.

    <directory>/<run_id>.zip             what is uploaded, made when the run has ended
    <directory>/<run_id>/messages.json   points and the console, a message in each line
                         run.json        the rest, of which the archive's other messages are made
                         files/          files

The URL is `comet`, for `<root>/comet`, or `comet:///directory`.
"""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from uuid import uuid4

import msgspec

from reticent.backends import Batch, Rejection, Target
from reticent.backends.jsonl import number
from reticent.backends.known import Known, recall
from reticent.backends.local import append, directory_of, identity, keep_artifact
from reticent.backends.typed import typed
from reticent.files import inside, make_directory, open_private, write_private
from reticent.records import Console, RunStatus, is_under

_MESSAGES, _NOTE, _FILES = "messages.json", "run.json", "files"
_IMAGES = (".png", ".jpg", ".jpeg", ".gif")


class CometBackend:
    def open(self, target: Target) -> str:
        self._directory = directory_of(
            target, "to have runs on a server, send the archives from there by `comet upload`"
        )
        return identity(self._directory)

    def write(self, batch: Batch) -> Sequence[Rejection]:
        directory = inside(self._directory, batch.run_id)
        archive = directory.with_name(f"{batch.run_id}.zip")
        if not batch.mark.text:
            shutil.rmtree(directory, ignore_errors=True)
            archive.unlink(missing_ok=True)
        make_directory(directory)
        known = recall(directory / _NOTE, batch, Known)
        before = msgspec.json.encode(known)
        for entry in batch.entries:
            known.learn(entry.record)
            keep_artifact(batch, entry.record, directory / _FILES)
        data = b"".join(msgspec.json.encode(message) + b"\n" for message in _messages(batch))
        length = append(directory / _MESSAGES, int(batch.mark.text or 0), data)
        note = msgspec.json.encode(known)
        write_private(directory / _NOTE, note)
        if known.ended is None:
            archive.unlink(missing_ok=True)  # of a run that goes on
        elif data or note != before or not archive.exists():
            _pack(directory, known, archive)
        batch.mark.text = str(length)
        return ()

    def close(self) -> None:
        pass


def _messages(batch: Batch) -> Iterator[dict[str, object]]:
    """What happened in the batch."""
    for block in batch.metrics:
        for one in block:
            metric = {"metricName": _name(one.key), "metricValue": number(one.value), "step": one.step, "epoch": None}
            yield _message("metric_msg", one.time, metric=metric)
    for entry in batch.entries:
        if isinstance(console := entry.record, Console):
            told = {"output": console.text, "stderr": console.stream == "stderr"}
            yield _message("standard_output", console.time, **told)


def _states(known: Known) -> Iterator[dict[str, object]]:
    """What the run is like."""
    for key, text in known.params.items():
        param = {"paramName": _name(key), "paramValue": _value(text), "step": None, "source": "manual"}
        yield _message("parameter_msg", known.started, param=param)
    told: dict[str, str | None] = {
        **{f"dataset.{name}": " ".join(told.values()) for name, told in known.datasets.items()},
        **{f"reference.{path}": location for path, location in known.references.items()},
        **{f"model.{path}": flavor for path, flavor in known.models.items()},
        **known.tags,
        "Name": known.name,
        "reticent.run_id": known.run_id,
        "reticent.parent_id": known.parent_id,
        "reticent.status": known.status,
        "reticent.error": known.error,
    }
    for key, value in told.items():
        if value is not None:
            yield {"type": "log_other", "payload": {"key": key, "value": value}}


def _upload(known: Known, path: str) -> dict[str, object]:
    """That the archive has a file, and what for."""
    told: dict[str, object] = {"context": None, "step": None, "overwrite": False, "assetId": uuid4().hex}
    model = next((model for model in known.models if is_under(path, model)), None)
    kind = "asset"
    if path.lower().endswith(_IMAGES):
        kind, told = "visualization", {**told, "figName": path, "figCounter": 0, "imageId": told.pop("assetId")}
    elif model is not None:
        kind, told = "model-element", {**told, "fileName": path, "groupingName": model, "type": "model-element"}
    else:
        told["fileName"] = path
    file = f"{_FILES}/{path}"
    return _message("file_upload", known.started, upload_type=kind, file_path=file, additional_params=told, metadata={})


def _message(kind: str, time: float, **payload: object) -> dict[str, object]:
    return {"type": kind, "payload": {"local_timestamp": int(time * 1000), **payload}}


def _name(key: str) -> str:
    """A key without breaks of lines, which Comet refuses."""
    return " ".join(key.splitlines()) or "(empty)"


def _value(text: str) -> object:
    """A param's value where Comet keeps it as it is, else its text."""
    value = typed(text)
    fits = isinstance(value, float) or (isinstance(value, int) and -(1 << 63) <= value < 1 << 63)
    return value if value is None or fits else text


def _pack(directory: Path, known: Known, archive: Path) -> None:
    """Make the archive anew."""
    files = [path for path in known.artifacts if (directory / _FILES / path).is_file()]
    experiment: dict[str, object] = {
        "offline_id": known.run_id,
        "project_name": known.experiment,
        "workspace": None,
        "start_time": int(known.started * 1000),
        "stop_time": int((known.ended or known.started) * 1000),
        "tags": [],
        "resume_strategy": "create",  # one that Comet has already is refused
        "customer_error_reported": known.status in (RunStatus.FAILED.value, RunStatus.CRASHED.value),
        "customer_error_message": known.error,
        "user_provided_experiment_key": True,
    }
    packed = archive.with_name(f".{uuid4().hex}")
    try:
        with os.fdopen(open_private(packed, os.O_RDWR | os.O_EXCL), "w+b") as raw, zipfile.ZipFile(raw, "w") as bundle:
            bundle.writestr("experiment.json", msgspec.json.encode(experiment))
            with bundle.open(_MESSAGES, "w", force_zip64=True) as written:
                for message in (*_states(known), *(_upload(known, path) for path in files)):
                    written.write(msgspec.json.encode(message) + b"\n")
                if (directory / _MESSAGES).exists():
                    with (directory / _MESSAGES).open("rb") as happened:
                        shutil.copyfileobj(happened, written, 1 << 20)
            for path in files:
                bundle.write(directory / _FILES / path, f"{_FILES}/{path}")
        os.replace(packed, archive)
    finally:
        packed.unlink(missing_ok=True)
