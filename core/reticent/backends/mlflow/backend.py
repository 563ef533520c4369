"""Writes batches of run log records to an MLflow server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TypeAlias
from urllib.parse import parse_qs, urlsplit

import msgspec

from reticent.backends import Batch, Rejection, RunUnavailableError, Target, UnavailableError
from reticent.backends.mlflow import datasets
from reticent.backends.mlflow.artifacts import Files, UnreachableError, store_at
from reticent.backends.mlflow.batches import Point, Request, changed, gone, missing, points, send
from reticent.backends.mlflow.client import Client, RefusedError, address
from reticent.backends.mlflow.models import FILE as MLMODEL
from reticent.backends.mlflow.models import Models
from reticent.backends.mlflow.naming import MAX_KEY, MAX_PARAM, MAX_TAG, NAME_TAG, TAGS, allowed
from reticent.backends.mlflow.registered import Alias, register, set_alias, told
from reticent.backends.mlflow.runs import Place, Runs
from reticent.files import safe_relative
from reticent.records import (
    Artifact,
    ArtifactRemoved,
    Dataset,
    MetricBlock,
    Model,
    ModelAlias,
    Param,
    RunEnded,
    RunStarted,
    RunStatus,
    Tag,
    Withheld,
    is_under,
)

STATUS_TAG = "reticent.status"
ERROR_TAG = "reticent.error"
"""What a training failed with; the traceback is the artifact `ERROR`."""

ERROR = "reticent/error.txt"

ENOUGH = 2
"""So many files or directories that cannot be stored now, and the others are not tried: each may take a minute."""

_STATUS = {RunStatus.CRASHED: RunStatus.FAILED}
"""MLflow has no word for a process that vanished; the tag has ours."""


_Filed: TypeAlias = Artifact | ArtifactRemoved | Model | ModelAlias | Withheld
_FILED = (Artifact, ArtifactRemoved, Model, ModelAlias, Withheld)
"""Records of files, and of models, which are files."""


@dataclass
class _Known:
    place: Place
    models: Models
    made: bool
    """Whether it was made just now, so that all it holds is known."""
    sure: set[str] = field(default_factory=set)
    """The writers of which nothing was sent that is not known to have arrived."""
    files: Files | None = None


class MlflowBackend:
    needs = ("requests", "fsspec")
    aliases = True

    def open(self, target: Target) -> str:
        self._client = Client(address(target.url))
        only = parse_qs(urlsplit(target.url).query).get("experiment", [""])[0]
        # A directory for each server: within a process, closing one of two files that lock a path gives up the lock.
        self._locks = target.root / "delivery" / "making" / sha256(target.url.encode()).hexdigest()[:12]
        self._places = Runs(self._client, only, self._locks)
        self._runs: dict[str, _Known] = {}
        experiment = self._places.experiment(only) if only else "0"
        found = self._client.get("experiments/get", experiment_id=experiment)["experiment"]
        # The server has no name of its own; one with another database has another moment at which this was made.
        return f"{found.get('creation_time', '')} {found.get('artifact_location', '')}"

    def write(self, batch: Batch) -> Sequence[Rejection]:
        request, long, rejections = _request(batch)
        run = self._run(batch, request)
        try:
            rejections += self._write(batch, run, request, long)
        except RefusedError as error:
            if self._there(run):  # it was something else that is not, say a bucket
                raise UnavailableError(f"{self._client.url} refuses what it should take: {error}") from error
            return [
                Rejection(max(1, len(batch)), "the run was deleted on the server; nothing more of it is taken there")
            ]
        except BaseException:
            run.sure.clear()
            raise
        batch.mark.text = msgspec.json.encode(run.place).decode()
        return rejections

    def close(self) -> None:
        self._client.close()

    def _write(self, batch: Batch, run: _Known, request: Request, long: dict[str, str]) -> list[Rejection]:
        request.metrics = [point for block in batch.metrics for point in self._unsent(run, block)]
        made, run.made = run.made, False
        rejections = send(self._client, run.place.run_id, request)
        rejections += self._inputs(batch, run)
        self._status(batch, run)  # before files, which may take long or fail
        return rejections + self._artifacts(batch, run, long, made)

    def _unsent(self, run: _Known, block: MetricBlock) -> Sequence[Point]:
        """The points that the server has not got. After an unclear answer it is asked, until one that it has not: batches
        are smaller then, and what was sent before may be in several of them."""
        wanted = points(block)
        if block.writer in run.sure:
            return wanted
        if not run.made:
            wanted = list(missing(self._client, run.place.run_id, wanted))
        if wanted:
            run.sure.add(block.writer)
        return wanted

    def _inputs(self, batch: Batch, run: _Known) -> list[Rejection]:
        """The data sets; the server has each one of a name and digest once in a run."""
        found = [datasets.entity(entry.record) for entry in batch.entries if isinstance(entry.record, Dataset)]
        rejections: list[Rejection] = []
        for entity in found:
            with _noting(rejections, "a data set"):
                self._client.post("runs/log-inputs", run_id=run.place.run_id, datasets=[entity])
        return rejections

    def _artifacts(self, batch: Batch, run: _Known, long: dict[str, str], made: bool) -> list[Rejection]:
        records = [one.record for one in batch.entries if isinstance(one.record, _FILED)]
        records = [one for one in records if not isinstance(one, Withheld) or one.path.endswith(f"/{MLMODEL}")]
        if not records and not long:
            return []
        rejections: list[Rejection] = []
        failed: dict[str, UnavailableError] = {}
        try:
            if run.files is None:
                run.files = Files(store_at(self._client, run.place.artifact_uri), made, run.models.place)
            for record in records:
                name = record.path.partition("/")[0]
                if name in failed or len(failed) >= ENOUGH:  # a model is not whole without one of its files
                    continue
                try:
                    with _noting(rejections, f"{record.path!r}"):
                        rejections += self._artifact(batch, run, run.files, record)
                except UnavailableError as error:
                    failed[name] = error
            for path, text in long.items():
                with _noting(rejections, f"{path!r}"):
                    run.files.put_text(path, text)
            run.files.note()
        except UnreachableError as error:
            return [Rejection(len(records) + len(long), str(error))]
        except UnavailableError as error:
            failed[""] = error
        for first in failed.values():
            raise RunUnavailableError(str(first), first.retry_after) from first
        return rejections

    def _artifact(self, batch: Batch, run: _Known, files: Files, record: _Filed) -> list[Rejection]:
        model, _, file = record.path.rpartition("/")
        if isinstance(record, Artifact):
            files.put(batch, record)
            run.models.complete(record.path)
            return self._whole(run, model) if file == MLMODEL else []
        if isinstance(record, Model):
            run.models.list(record)
            if record.registered_name is not None:
                run.place.registering[record.path] = record.registered_name
        elif isinstance(record, ModelAlias):
            return self._alias(batch, run, files, record)
        elif isinstance(record, Withheld):
            run.place.withheld.append(model)
            return _never(run, model)
        else:
            if not run.models.remove(record.path):
                files.remove(record.path)
            return _never(run, record.path)
        return []

    def _whole(self, run: _Known, path: str) -> list[Rejection]:
        """The last file of a model has come: register it if it is to be, and set the aliases that were waiting for it."""
        rejections: list[Rejection] = []
        if path in run.place.withheld:
            run.place.withheld.remove(path)
        if (name := run.place.registering.get(path)) is not None:
            with _noting(rejections, f"{path!r}"):
                self._version(run, name, path)
            del run.place.registering[path]
        for alias in run.place.aliases.get(path, ()):
            with _noting(rejections, told(alias)):
                set_alias(self._client, alias, self._version(run, alias.name, path), self._locks)
        run.place.aliases.pop(path, None)
        return rejections

    def _alias(self, batch: Batch, run: _Known, files: Files, record: ModelAlias) -> list[Rejection]:
        """Set an alias, or have it wait for its model, whose records another process may have logged."""
        path = safe_relative(record.path).as_posix()
        run.place.aliases.setdefault(path, []).append(Alias(record.name, record.alias, record.time))
        if path in run.place.withheld or not (batch.directory / "artifacts" / path / MLMODEL).is_file():
            return _never(run, path)
        return self._whole(run, path) if files.has(f"{path}/{MLMODEL}") else []

    def _version(self, run: _Known, name: str, path: str) -> str:
        """The version of a registered model that a model of the run is there."""
        logged = run.place.models.get(path)
        if logged is None:
            source, model_id = f"{run.place.artifact_uri}/{safe_relative(path).as_posix()}", None
        else:
            source, model_id = f"models:/{logged.id}", logged.id
        return register(self._client, name, run.place.run_id, source, model_id)

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
                run.models.measured()
            elif isinstance(entry.record, RunStarted) and entry.record.resumed:
                self._client.post("runs/update", run_id=run.place.run_id, status=RunStatus.RUNNING.value)
                with suppress(RefusedError):  # it has not failed
                    self._client.post("runs/delete-tag", run_id=run.place.run_id, key=ERROR_TAG)

    def _run(self, batch: Batch, request: Request) -> _Known:
        if batch.run_id not in self._runs:
            if batch.mark.text:
                place, made = msgspec.json.decode(batch.mark.text, type=Place), False
            else:
                place, made = self._place(batch, request)
            models = Models(self._client, place.experiment_id, place.run_id, batch.directory, place.models)
            self._runs[batch.run_id] = _Known(place, models, made=made)
        return self._runs[batch.run_id]

    def _there(self, run: _Known) -> bool:
        try:
            found = self._client.get("runs/get", run_id=run.place.run_id)["run"]
        except RefusedError:
            return False
        return bool(found["info"].get("lifecycle_stage") != "deleted")

    def _place(self, batch: Batch, request: Request) -> tuple[Place, bool]:
        try:
            return self._places.found_or_made(batch.run_id, batch.started, request.tags)
        except RefusedError as error:  # its experiment was deleted just now; the next look finds it so
            raise UnavailableError(f"{self._client.url} makes no run: {error}") from error


def _never(run: _Known, path: str) -> list[Rejection]:
    """The aliases that wait for a model, or for one below this path, which does not come."""
    waiting = [model for model in run.place.aliases if is_under(model, path)]
    gone_with = [alias for model in waiting for alias in run.place.aliases.pop(model)]
    return [Rejection(1, f"{told(alias)}: the model is not there") for alias in gone_with]


@contextmanager
def _noting(rejections: list[Rejection], what: str) -> Iterator[None]:
    """What the server refuses in here is noted, and the rest goes on; unless it refuses everything of the run."""
    try:
        yield
    except RefusedError as error:
        if gone(error):
            raise
        rejections.append(Rejection(1, f"{what}: {error}"))


def _request(batch: Batch) -> tuple[Request, dict[str, str], list[Rejection]]:
    """The params and tags of a batch, the params that are too long for MLflow as files, and what it would not take."""
    request = Request()
    long: dict[str, str] = {}
    params: dict[str, str] = {}
    rejections: list[Rejection] = []
    for entry in batch.entries:
        record = entry.record
        if isinstance(record, Param):
            key = allowed(record.key)
            if params.setdefault(key, record.value) != record.value:
                rejections.append(Rejection(1, changed(record.key)))
                continue
            request.params.append(_entity(record.key, record.value, MAX_PARAM, request.tags))
            if len(record.value) > MAX_PARAM:
                long[f"params/{key}.txt"] = record.value
        elif isinstance(record, Tag):
            key = TAGS.get(record.key, record.key)
            request.tags.append(_entity(key, record.value, MAX_TAG, request.tags))
        elif isinstance(record, RunEnded):
            request.tags += _entities({STATUS_TAG: record.status.value})
            if record.error:
                request.tags += _entities({ERROR_TAG: _raised(record.error)})
                long[ERROR] = record.error
    for key in {key for block in batch.metrics for key in block.keys.values()}:
        request.tags += _renamed(key)
    request.params = list({one["key"]: one for one in request.params}.values())
    request.tags = list({one["key"]: one for one in request.tags}.values())
    return request, long, rejections


def _entities(values: dict[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value[:MAX_TAG]} for key, value in values.items()]


def _entity(name: str, value: str, most: int, tags: list[dict[str, str]]) -> dict[str, str]:
    """A param or tag as MLflow takes it."""
    tags += _renamed(name)
    return {"key": allowed(name), "value": value[:most]}


def _raised(error: str) -> str:
    """Of a traceback the exception: what follows the last line of code."""
    return (error.rstrip().rpartition("\n  ")[2].partition("\n")[2] or error).strip()


def _renamed(name: str) -> list[dict[str, str]]:
    """Of a name that MLflow does not take, a tag that says what it is."""
    key = allowed(name)
    return [] if key == name else _entities({f"{NAME_TAG}{key}"[:MAX_KEY]: name})
