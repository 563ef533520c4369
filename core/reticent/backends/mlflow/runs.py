"""Where runs are on the server: found by the tag that has our id, made where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from reticent.backends import UnavailableError
from reticent.backends.mlflow.client import Client, RefusedError, pages
from reticent.backends.mlflow.models import Logged
from reticent.backends.mlflow.naming import MAX_EXPERIMENT, MAX_TAG
from reticent.backends.mlflow.registered import Alias
from reticent.decoding import decodable
from reticent.files import LockedError, locked
from reticent.records import RunStarted

RUN_ID_TAG = "reticent.run_id"
AWAITED_TAG = "reticent.awaited"
"""On a run that was made for its children and has not come itself."""

PARENT_TAG = "mlflow.parentRunId"
_PAGE = 1000

WAIT_S = 30.0
"""How long another process that makes the same run is waited for."""


@decodable
class Place(msgspec.Struct):
    """A run on the server; kept with the delivery's progress."""

    experiment_id: str
    run_id: str
    artifact_uri: str
    models: dict[str, Logged | None] = {}
    registering: dict[str, str] = {}
    """By the path of each model that is not whole yet, the registered model of which it is to be a version."""
    aliases: dict[str, list[Alias]] = {}
    """By the path of each model that is not whole yet, those that are to mean its version."""
    withheld: list[str] = []
    """The paths of models that this server does not get."""


class Runs:
    """The runs of a server, or of one experiment, `only`.

    A run is looked for and made by one process of a root at a time, by a file in `locks`: it and its child may be brought by
    two at once, and each would make it.
    """

    def __init__(self, client: Client, only: str, locks: Path) -> None:
        self._client = client
        self._only = only
        self._locks = locks
        self._experiments: dict[str, str] = {}
        self._all: list[str] = []

    def found_or_made(self, run_id: str, started: RunStarted | None, tags: list[dict[str, str]]) -> tuple[Place, bool]:
        """The server's run for one of ours, and whether it was made just now. Tags that were made with it leave the list."""
        with self._alone(run_id):
            return self._found_or_made(run_id, started, tags)

    def _found_or_made(self, run_id: str, started: RunStarted | None, tags: list[dict[str, str]]) -> tuple[Place, bool]:
        experiment = self.experiment(self._only or ("default" if started is None else started.experiment))
        found, awaited = self._search(experiment, run_id)
        if found is not None and not awaited:
            return found, False
        name = run_id[:8] if started is None else str(started.name)
        parent = None
        if started is not None and started.parent_id is not None:
            parent = self._parent(experiment, started.parent_id, started)
        parent_tag = {} if parent is None else {PARENT_TAG: parent.run_id}
        if found is not None:
            self._client.post("runs/update", run_id=found.run_id, run_name=name)
            for key, value in {**parent_tag, AWAITED_TAG: "false"}.items():
                self._client.post("runs/set-tag", run_id=found.run_id, key=key, value=value)
            return found, False
        return self._made(experiment, run_id, name, started, parent_tag, tags), True

    def experiment(self, name: str) -> str:
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
                    return self.experiment(name)  # another process has made it since
        return self._experiments[name]

    def _parent(self, experiment: str, run_id: str, child: RunStarted) -> Place:
        """A child's parent, made if it has not come yet: its own records find it then, by the tag."""
        with self._alone(run_id):
            return self._parent_alone(experiment, run_id, child)

    def _parent_alone(self, experiment: str, run_id: str, child: RunStarted) -> Place:
        found, _ = self._search(experiment, run_id, anywhere=True)
        if found is None and self._all:  # perhaps in an experiment that is newer than what is known of them
            self._all.clear()
            found, _ = self._search(experiment, run_id, anywhere=True)
        if found is not None:
            return found
        return self._made(experiment, run_id, run_id[:8], child, {AWAITED_TAG: "true"}, [])

    @contextmanager
    def _alone(self, run_id: str) -> Iterator[None]:
        path = self._locks / f"{run_id}.lock"
        try:
            with locked(path, WAIT_S):
                try:
                    yield
                finally:
                    path.unlink(missing_ok=True)
        except LockedError as error:
            raise UnavailableError(f"another process is making the run {run_id} at {self._client.url}") from error

    def _made(
        self,
        experiment: str,
        run_id: str,
        name: str,
        started: RunStarted | None,
        own: dict[str, str],
        tags: list[dict[str, str]],
    ) -> Place:
        own = {RUN_ID_TAG: run_id, "mlflow.source.type": "LOCAL", "mlflow.runName": name, **own}
        begin = 0 if started is None else int(started.time * 1000)
        needed = [{"key": key, "value": value[:MAX_TAG]} for key, value in own.items()]
        rest = [one for one in tags if one["key"] not in own]
        create = partial(self._client.post, "runs/create", experiment_id=experiment, run_name=name, start_time=begin)
        try:
            made = create(tags=needed + rest)
        except RefusedError:
            if not rest:
                raise
            made = create(tags=needed)  # what is refused of the rest is found as they are sent
        else:
            tags[:] = [one for one in tags if one["key"] in own]
        return _place(made["run"])

    def _search(self, experiment: str, run_id: str, anywhere: bool = False) -> tuple[Place | None, bool]:
        """A run of its experiment; else one that awaits it in another, or, `anywhere`, the run itself. And whether it is
        one that awaits it."""
        found = []
        for experiments in self._pages(experiment):
            answer = self._client.post(
                "runs/search",
                experiment_ids=experiments,
                filter=f"tags.`{RUN_ID_TAG}` = '{run_id}'",
                max_results=100,
                run_view_type="ACTIVE_ONLY",
            )
            found += [(_place(run), _awaits(run)) for run in answer.get("runs", ())]
        found.sort(key=lambda one: (one[0].experiment_id != experiment, one[1]))
        for place, awaited in found:
            if anywhere or awaited or place.experiment_id == experiment:
                return place, awaited
        return None, False

    def _pages(self, experiment: str) -> Iterator[list[str]]:
        """The experiments to look in, this one first."""
        if not self._only and not self._all:
            search = partial(self._client.post, "experiments/search", view_type="ACTIVE_ONLY")
            self._all += [str(one["experiment_id"]) for one in pages(search, "experiments", max_results=_PAGE)]
        wanted = [experiment, *(one for one in self._all if one != experiment)]
        for start in range(0, len(wanted), _PAGE):
            yield wanted[start : start + _PAGE]


def _place(run: dict[str, Any]) -> Place:
    info = run["info"]
    return Place(str(info["experiment_id"]), str(info["run_id"]), str(info["artifact_uri"]))


def _awaits(run: dict[str, Any]) -> bool:
    tags = {one["key"]: one["value"] for one in run["data"].get("tags", ())}
    return tags.get(AWAITED_TAG) == "true"
