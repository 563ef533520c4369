"""Writes batches of run log records to an MLflow server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from reticent.backends import Batch, Rejection, Target
from reticent.backends.mlflow import artifacts
from reticent.backends.mlflow.batches import Request, missing, points, send
from reticent.backends.mlflow.client import Client, RefusedError, address
from reticent.backends.mlflow.naming import MAX_EXPERIMENT, MAX_PARAM, MAX_TAG, NAME_TAG, TAGS, allowed
from reticent.records import Artifact, Param, RunEnded, RunStarted, RunStatus, Tag

RUN_ID_TAG = "reticent.run_id"
STATUS_TAG = "reticent.status"

_STATUS = {RunStatus.CRASHED: RunStatus.FAILED}
"""MLflow has no word for a process that vanished; the tag has ours."""


class Place(msgspec.Struct):
    """A run on the server; kept with the delivery's progress."""

    experiment_id: str
    run_id: str
    artifact_uri: str


@dataclass
class _Known:
    place: Place
    sure: bool
    """Whether nothing was sent to it whose answer nobody has read."""


class MlflowBackend:
    needs = ("requests",)

    def open(self, target: Target) -> str:
        self._client = Client(address(target.url))
        self._only = parse_qs(urlsplit(target.url).query).get("experiment", [""])[0]
        self._experiments: dict[str, str] = {}
        self._runs: dict[str, _Known] = {}
        experiment = self._experiment(self._only) if self._only else "0"
        found = self._client.get("experiments/get", experiment_id=experiment)["experiment"]
        # The server has no name of its own; one with another database has another moment at which this was made.
        return f"{found.get('creation_time', '')} {found.get('artifact_location', '')}"

    def write(self, batch: Batch) -> Sequence[Rejection]:
        run = self._run(batch)
        try:
            rejections = self._write(batch, run)
        except RefusedError as error:
            if error.status != 404:
                raise
            return [Rejection(max(1, len(batch)), f"the run is no longer on the server: {error}")]
        batch.mark.text = msgspec.json.encode(run.place).decode()
        return rejections

    def close(self) -> None:
        self._client.close()

    def _write(self, batch: Batch, run: _Known) -> list[Rejection]:
        request = Request(tags=_entities({RUN_ID_TAG: batch.run_id}))
        long: dict[str, str] = {}
        for entry in batch.entries:
            record = entry.record
            if isinstance(record, Param):
                request.params.append(_entity(record.key, record.value, MAX_PARAM, request.tags))
                if len(record.value) > MAX_PARAM:
                    long[f"params/{allowed(record.key)}.txt"] = record.value
            elif isinstance(record, Tag):
                request.tags.append(_entity(record.key, record.value, MAX_TAG, request.tags))
                request.tags += _entities({TAGS[record.key]: record.value} if record.key in TAGS else {})
        request.params = list({one["key"]: one for one in request.params[::-1]}.values())[::-1]
        request.tags = list({one["key"]: one for one in request.tags}.values())
        blocks = [points(block) for block in batch.metrics]
        if not run.sure:
            blocks = [list(missing(self._client, run.place.run_id, block)) for block in blocks]
        request.metrics = [point for block in blocks for point in block]
        run.sure = False
        rejections = send(self._client, run.place.run_id, request)
        run.sure = True
        for entry in batch.entries:
            if isinstance(entry.record, Artifact):
                rejections += artifacts.put(self._client, run.place.artifact_uri, batch, entry.record)
        for path, text in long.items():
            artifacts.put_text(self._client, run.place.artifact_uri, path, text)
        self._status(batch, run)
        return rejections

    def _status(self, batch: Batch, run: _Known) -> None:
        """The run's state as the newest of its records says."""
        for entry in batch.entries:
            if isinstance(entry.record, RunEnded):
                status = entry.record.status
                self._client.post(
                    "runs/update",
                    run_id=run.place.run_id,
                    status=_STATUS.get(status, status).value,
                    end_time=int(entry.record.time * 1000),
                )
                self._client.post("runs/set-tag", run_id=run.place.run_id, key=STATUS_TAG, value=status.value)
            elif isinstance(entry.record, RunStarted) and entry.record.resumed:
                self._client.post("runs/update", run_id=run.place.run_id, status=RunStatus.RUNNING.value)

    def _run(self, batch: Batch) -> _Known:
        if batch.run_id not in self._runs:
            if batch.mark.text:
                place, made = msgspec.json.decode(batch.mark.text, type=Place), False
            else:
                place, made = self._found_or_made(batch)
            self._runs[batch.run_id] = _Known(place, sure=made)
        return self._runs[batch.run_id]

    def _found_or_made(self, batch: Batch) -> tuple[Place, bool]:
        """The server's run for one of ours, and whether it was made just now."""
        started = batch.started
        experiment = self._experiment(self._only or ("default" if started is None else started.experiment))
        found = self._search(experiment, batch.run_id)
        if found is not None:
            return found, False
        tags = {RUN_ID_TAG: batch.run_id, "mlflow.source.type": "LOCAL"}
        if started is not None and started.parent_id is not None:
            parent = self._search(experiment, started.parent_id)
            if parent is not None:
                tags["mlflow.parentRunId"] = parent.run_id
        name = batch.run_id[:8] if started is None else started.name
        made = self._client.post(
            "runs/create",
            experiment_id=experiment,
            run_name=name,
            start_time=0 if started is None else int(started.time * 1000),
            tags=_entities({**tags, "mlflow.runName": name}),
        )
        return _place(made["run"]), True

    def _search(self, experiment: str, run_id: str) -> Place | None:
        found = self._client.post(
            "runs/search",
            experiment_ids=[experiment],
            filter=f"tags.`{RUN_ID_TAG}` = '{run_id}'",
            max_results=1,
            run_view_type="ACTIVE_ONLY",
        )
        runs = found.get("runs", ())
        return _place(runs[0]) if runs else None

    def _experiment(self, name: str) -> str:
        """The id of an experiment, which is made if there is none. Our "default" is MLflow's "Default"."""
        name = "Default" if name == "default" else name[:MAX_EXPERIMENT]
        if name not in self._experiments:
            try:
                found = self._client.get("experiments/get-by-name", experiment_name=name)
                if found["experiment"].get("lifecycle_stage") == "deleted":
                    self._client.post("experiments/restore", experiment_id=found["experiment"]["experiment_id"])
                self._experiments[name] = str(found["experiment"]["experiment_id"])
            except RefusedError as error:
                if error.code != "RESOURCE_DOES_NOT_EXIST":
                    raise
                try:
                    self._experiments[name] = str(self._client.post("experiments/create", name=name)["experiment_id"])
                except RefusedError as refused:
                    if refused.code != "RESOURCE_ALREADY_EXISTS":
                        raise
                    return self._experiment(name)  # another process has made it since
        return self._experiments[name]


def _place(run: dict[str, Any]) -> Place:
    info = run["info"]
    return Place(str(info["experiment_id"]), str(info["run_id"]), str(info["artifact_uri"]))


def _entities(values: dict[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value[:MAX_TAG]} for key, value in values.items()]


def _entity(name: str, value: str, most: int, tags: list[dict[str, str]]) -> dict[str, str]:
    """A param or tag as MLflow takes it; of a name that it does not, a tag says what it is."""
    key = allowed(name)
    if key != name:
        tags += _entities({f"{NAME_TAG}{key}"[:250]: name})
    return {"key": key, "value": value[:most]}
