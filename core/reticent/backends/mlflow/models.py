"""Models as MLflow's page and loaders find them.

From MLflow 3 on a model has files of its own and is an output of its run; MLflow's loaders find it by its name as a
path of the run's, `runs:/<run>/model`. Elsewhere, and for a name that a model cannot have there, its files are the run's,
and a tag lists it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from reticent.backends.mlflow.artifacts import Store, store_at
from reticent.backends.mlflow.batches import Point, Request, send
from reticent.backends.mlflow.client import Client
from reticent.backends.mlflow.datasets import CONTEXT_TAG
from reticent.backends.mlflow.naming import MAX_TAG
from reticent.decoding import decodable
from reticent.records import Model, RunStatus

HISTORY_TAG = "mlflow.log-model.history"
FILE = "MLmodel"
_FOR_TRAINING = {"key": CONTEXT_TAG, "value": "train"}

_SINCE = (3, 0)
_MEASURED_SINCE = (3, 17)
"""Servers before it look at all points of a metric when one comes that they have."""

_NAME = re.compile(r"[^/:.%\"']{1,250}")


class _Measured(Point, frozen=True, omit_defaults=True):
    """A point of a model's, on a data set."""

    model_id: str
    dataset_name: str | None = None
    dataset_digest: str | None = None


@decodable
class Logged(msgspec.Struct):
    """A model of a run on the server."""

    id: str
    artifact_uri: str


class Models:
    """The models of one run that have files of their own; `known` is kept with the delivery's progress."""

    def __init__(
        self, client: Client, experiment_id: str, run_id: str, directory: Path, known: dict[str, Logged | None]
    ) -> None:
        self._client = client
        self._experiment_id = experiment_id
        self._run_id = run_id
        self._directory = directory
        self._known = known
        self._stores: dict[str, Store] = {}

    def place(self, path: str) -> tuple[Store, str] | None:
        """Where the file of a path goes if it is one of a model: the model's files, and its path in them."""
        name, _, inner = path.partition("/")
        if not inner or self._client.version < _SINCE or not _NAME.fullmatch(name):
            return None
        if self._known.get(name) is None:
            # All files of a model are in the run before the first one's record is.
            if not (self._directory / "artifacts" / name / FILE).is_file():
                return None
            self._known[name] = self._found(name) or self._made(name)
        return self._store(name), inner

    def complete(self, path: str) -> None:
        """The file of this path is stored; if it is the last one of a model, say that the model is whole."""
        name, _, inner = path.partition("/")
        model = self._known.get(name)
        if inner != FILE or model is None:
            return
        self._client.patch(f"logged-models/{model.id}", model_id=model.id, status="LOGGED_MODEL_READY")
        run = self._run()
        outputs = run.get("outputs", {}).get("model_outputs", ())
        if all(one["model_id"] != model.id for one in outputs):
            self._client.post("runs/outputs", run_id=self._run_id, models=[{"model_id": model.id, "step": 0}])
        if run["info"]["status"] != RunStatus.RUNNING.value:
            self.measured()

    def measured(self) -> None:
        """The run has ended: its metrics, the newest of each name, are its model's as well, where MLflow's page of the
        model shows them. Of several models that is the one of autologging."""
        known = {name: model for name, model in self._known.items() if model is not None}
        model = known.get("model") or (next(iter(known.values())) if len(known) == 1 else None)
        if model is None or self._client.version < _MEASURED_SINCE:
            return
        run = self._run()
        given = run.get("inputs", {}).get("dataset_inputs", ())
        training = [one["dataset"] for one in given if _FOR_TRAINING in one.get("tags", ())]
        points = []
        for one in run["data"].get("metrics", ()):
            if not one["key"].startswith("system/"):
                point = (one["key"], one["value"], int(one["timestamp"]), int(one.get("step", 0)), model.id)
                on = training[0] if len(training) == 1 and one["key"].startswith("training_") else {}
                points.append(_Measured(*point, on.get("name"), on.get("digest")))
        send(self._client, self._run_id, Request(metrics=points))

    def remove(self, path: str) -> bool:
        """Whether this was a whole model, which is removed."""
        if self._client.version < _SINCE or not _NAME.fullmatch(path):
            return False
        if path not in self._known:
            self._known[path] = self._found(path)
        model = self._known[path]
        if model is None:
            return False
        self._store(path).remove("")
        self._client.delete(f"logged-models/{model.id}")
        self._known[path] = None
        self._stores.pop(path, None)
        return True

    def list(self, record: Model) -> None:
        """List a model without files of its own in the run's tag; the newest one of each path."""
        if self._known.get(record.path) is not None:
            return
        run = self._run()
        tags = {one["key"]: one["value"] for one in run["data"].get("tags", ())}
        try:
            history = msgspec.json.decode(tags.get(HISTORY_TAG, "[]"), type=list[dict[str, Any]])
        except msgspec.DecodeError:
            history = []
        history = [one for one in history if one.get("artifact_path") != record.path]
        history.append({"run_id": self._run_id, "artifact_path": record.path, **_described(record)})
        while len(text := msgspec.json.encode(history).decode()) > MAX_TAG and history:
            del history[0]
        self._client.post("runs/set-tag", run_id=self._run_id, key=HISTORY_TAG, value=text)

    def _store(self, name: str) -> Store:
        model = self._known[name]
        assert model is not None
        if name not in self._stores:
            self._stores[name] = store_at(self._client, model.artifact_uri)
        return self._stores[name]

    def _found(self, name: str) -> Logged | None:
        found = self._client.post(
            "logged-models/search",
            experiment_ids=[self._experiment_id],
            filter=f"name = '{name}' AND source_run_id = '{self._run_id}'",
            max_results=1,
        )
        return next((_logged(one) for one in found.get("models", ())), None)

    def _made(self, name: str) -> Logged:
        """With the params of its run, and the tags by which MLflow's page shows who made it, and from which source."""
        run = self._run()["data"]
        made = self._client.post(
            "logged-models",
            experiment_id=self._experiment_id,
            name=name,
            source_run_id=self._run_id,
            params=run.get("params", []),
            tags=[one for one in run.get("tags", ()) if one["key"].startswith(("mlflow.source.", "mlflow.user"))],
        )
        return _logged(made["model"])

    def _run(self) -> dict[str, Any]:
        run: dict[str, Any] = self._client.get("runs/get", run_id=self._run_id)["run"]
        return run


def _logged(model: dict[str, Any]) -> Logged:
    return Logged(str(model["info"]["model_id"]), str(model["info"]["artifact_uri"]))


def _described(record: Model) -> dict[str, Any]:
    """What the tag says of a model: of each flavour what is a plain value."""
    import yaml

    told: dict[str, Any] = {"flavors": {record.flavor: {}}}
    try:
        content = yaml.safe_load(record.mlmodel)
        told["flavors"] = {str(name): _plain(config) for name, config in content["flavors"].items()}
        return {**_plain({name: content.get(name) for name in ("utc_time_created", "model_uuid")}), **told}
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError, RecursionError):
        return told  # of another maker


def _plain(values: dict[Any, Any]) -> dict[str, str | int]:
    return {str(key): value for key, value in values.items() if isinstance(value, (str, int))}
