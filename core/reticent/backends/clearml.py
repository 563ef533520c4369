"""ClearML's offline sessions, without ClearML: one directory for each run, which `Task.import_offline_session` sends.

    <directory>/<run_id>/task.json        name, project, params, user properties and artifacts
                         metrics.jsonl    points, as the events that the server takes
                         log.jsonl        the console, and the points that are no numbers, which ClearML cannot draw
                         data/            files
                         run.json         what is known of the run, from which `task.json` is made

The URL is `clearml`, for `<root>/clearml`, or `clearml:///directory`.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator, Sequence
from mimetypes import guess_type
from pathlib import Path
from typing import Any

import msgspec

from reticent.backends import Batch, Rejection, Target
from reticent.backends.known import Known, recall
from reticent.backends.local import append, directory_of, identity, keep_artifact
from reticent.backends.typed import typed
from reticent.files import inside, make_directory, write_private
from reticent.records import Console, Metric

_NOTE = "run.json"
_METRICS, _LOG = "metrics.jsonl", "log.jsonl"
_EVENTS = 1000
"""In a line of a file, which is a request to the server when it is imported."""


class ClearMlBackend:
    def open(self, target: Target) -> str:
        instead = "to have runs on a server, import them from there by ClearML's Task.import_offline_session"
        self._directory = directory_of(target, instead)
        return identity(self._directory)

    def write(self, batch: Batch) -> Sequence[Rejection]:
        directory = inside(self._directory, batch.run_id)
        if not batch.mark.text:
            shutil.rmtree(directory, ignore_errors=True)
        make_directory(directory)
        known = recall(directory / _NOTE, batch, Known)
        for entry in batch.entries:
            known.learn(entry.record)
            keep_artifact(batch, entry.record, directory / _files(batch.run_id))
        events = {_METRICS: list(_points(batch)), _LOG: list(_lines(batch))}
        lengths = msgspec.json.decode(batch.mark.text or "{}", type=dict[str, int])
        for name, found in events.items():
            requests = [found[place : place + _EVENTS] for place in range(0, len(found), _EVENTS)]
            data = b"".join(msgspec.json.encode(request) + b"\n" for request in requests)
            lengths[name] = append(directory / name, lengths.get(name, 0), data)
        note = msgspec.json.encode(known)
        write_private(directory / "task.json", msgspec.json.encode(_task(known, directory)))
        write_private(directory / _NOTE, note)
        batch.mark.text = msgspec.json.encode(lengths).decode()
        return ()

    def close(self) -> None:
        pass


def _task_id(run_id: str) -> str:
    return f"offline-{run_id}"


def _files(run_id: str) -> Path:
    """Where artifacts lie in a session; an import puts the new task's id in place of this one, behind a dot."""
    return Path("data") / f"run.{_task_id(run_id)}" / "artifacts"


def _points(batch: Batch) -> Iterator[dict[str, Any]]:
    for block in batch.metrics:
        for one in block:
            if math.isfinite(one.value):
                title, series = _graph(one.key)
                told = {"metric": title, "variant": series, "iter": one.step, "value": one.value}
                yield _event(batch, "training_stats_scalar", one.time, told)


def _lines(batch: Batch) -> Iterator[dict[str, Any]]:
    for block in batch.metrics:
        for one in block:
            if not math.isfinite(one.value):
                yield _line(batch, one.time, "warning", _said(one))
    for entry in batch.entries:
        if isinstance(entry.record, Console):
            level = "error" if entry.record.stream == "stderr" else "info"
            yield _line(batch, entry.record.time, level, entry.record.text)


def _event(batch: Batch, kind: str, time: float, told: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "task": _task_id(batch.run_id), "timestamp": int(time * 1000), **told, "method": "get"}


def _line(batch: Batch, time: float, level: str, text: str) -> dict[str, Any]:
    return _event(batch, "log", time, {"level": level, "worker": "reticent", "msg": text})


def _said(one: Metric) -> str:
    return f"{one.key} = {one.value} at step {one.step}"


def _graph(key: str) -> tuple[str, str]:
    """The graph that a metric is in and its name there: `train/loss` and `val/loss` are in two, called `loss` in each."""
    title, _, series = key.partition("/")
    return (title, series) if title and series and title != series else (key, key)


def _task(known: Known, directory: Path) -> dict[str, Any]:
    """The task as the SDK describes it."""
    told = {"status": known.status, "run_id": known.run_id, "error": known.error, "parent_id": known.parent_id}
    ours = {f"reticent.{name}": value for name, value in told.items() if value}
    datasets = {f"dataset.{name}": " ".join(told.values()) for name, told in known.datasets.items()}
    models = {f"model.{path}": flavor for path, flavor in known.models.items()}
    references = {f"reference.{path}": location for path, location in known.references.items()}
    properties = {**known.tags, **datasets, **models, **references, **ours}
    return {
        "id": _task_id(known.run_id),
        "name": known.name,
        "project_name": known.experiment,
        "type": "training",
        "hyperparams": {
            "General": {
                key: {
                    "section": "General",
                    "name": key,
                    "value": text,
                    "type": type(typed(text)).__name__,
                }
                for key, text in known.params.items()
            },
            "properties": {
                key: {"section": "properties", "name": key, "value": text} for key, text in properties.items()
            },
        },
        "execution": {"artifacts": list(_artifacts(known, directory))},
        "offline_folder": str(directory),
        "offline_output_models": [],
    }


def _artifacts(known: Known, directory: Path) -> Iterator[dict[str, Any]]:
    for path, told in known.artifacts.items():
        file = directory / _files(known.run_id) / path
        if file.is_file():
            yield {
                "key": path,
                "mode": "output",
                "type": "custom",
                "uri": os.fspath(file),
                "hash": told["sha256"],
                "content_size": file.stat().st_size,
                "timestamp": int(known.started),
                "type_data": {"content_type": guess_type(path)[0] or "application/octet-stream"},
            }
