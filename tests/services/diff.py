"""What a run log has and a backend's store has not, or twice, by the store's own reader.

assert differences(root, run_id, mlflow_url) == []
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests

from reticent.backends.mlflow.naming import MAX_PARAM, MAX_TAG, NAME_TAG
from reticent.backends.mlflow.runs import RUN_ID_TAG
from reticent.records import Artifact, ArtifactRemoved, Dataset, Model, Param, RunEnded, Tag, is_under
from reticent.runlog import RunReader


class Server:
    """An MLflow server, asked by its REST API."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, method: str, endpoint: str, **told: Any) -> dict[str, Any]:
        answer = requests.request(method, f"{self.url}/api/2.0/{endpoint}", timeout=120, **told)
        assert answer.ok, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def runs(self, run_id: str, view: str = "ACTIVE_ONLY") -> list[dict[str, Any]]:
        """The runs with this id of ours, in whichever experiment."""
        experiments = self.ask("POST", "mlflow/experiments/search", json={"max_results": 1000})["experiments"]
        wanted = {
            "experiment_ids": [one["experiment_id"] for one in experiments],
            "filter": f"tags.`{RUN_ID_TAG}` = '{run_id}'",
            "run_view_type": view,
        }
        found: list[dict[str, Any]] = self.ask("POST", "mlflow/runs/search", json=wanted).get("runs", [])
        return found

    def history(self, run_id: str, key: str) -> Iterator[dict[str, Any]]:
        asked: dict[str, Any] = {"run_id": run_id, "metric_key": key, "max_results": 25_000}
        while True:
            found = self.ask("GET", "mlflow/metrics/get-history", params=asked)
            yield from found.get("metrics", ())
            if not found.get("next_page_token"):
                return
            asked["page_token"] = found["next_page_token"]

    def files(self, uri: str) -> dict[str, str]:
        """The SHA-256 of all files under an artifact URI that the server serves, by their paths below it."""
        base = uri.removeprefix("mlflow-artifacts:/").strip("/")

        def under(path: str) -> Iterator[str]:
            listed = self.ask("GET", "mlflow-artifacts/artifacts", params={"path": f"{base}/{path}".rstrip("/")})
            for one in listed.get("files", ()):
                inner = f"{path}/{one['path']}".lstrip("/")
                yield from under(inner) if one.get("is_dir") else [inner]

        return {path: sha256(self.content(f"{base}/{path}")).hexdigest() for path in under("")}

    def content(self, path: str) -> bytes:
        answer = requests.get(f"{self.url}/api/2.0/mlflow-artifacts/artifacts/{quote(path)}", timeout=120)
        assert answer.ok, answer.text
        return answer.content


def differences(root: Path, run_id: str, url: str) -> list[str]:
    """Of one run, in words; a file that an artifact store of its own has is not compared."""
    log, server = Log(root, run_id), Server(url)
    found = server.runs(run_id)
    if len(found) != 1:
        return [f"{len(found)} runs have the id {run_id}"]
    (run,) = found
    tags = {one["key"]: one["value"] for one in run["data"].get("tags", ())}
    names = {key.removeprefix(NAME_TAG): value for key, value in tags.items() if key.startswith(NAME_TAG)}
    number = run["info"]["run_id"]
    params = {names.get(one["key"], one["key"]): one["value"] for one in run["data"].get("params", ())}
    points = Counter(
        (names.get(one["key"], one["key"]), int(one.get("step", 0)), float(one["value"]), int(one["timestamp"]))
        for metric in run["data"].get("metrics", ())
        for one in server.history(number, metric["key"])
    )
    inputs = Counter(
        (one["dataset"]["name"], one["dataset"]["digest"]) for one in run["inputs"].get("dataset_inputs", ())
    )
    told = [
        *_compared("param", {key: value[:MAX_PARAM] for key, value in log.params.items()}, params),
        *_compared("tag", {key: value[:MAX_TAG] for key, value in log.tags.items()}, _own(tags, names)),
        *_compared("point", log.points, points),
        *_compared("data set", Counter(dict.fromkeys(log.datasets, 1)), inputs),
    ]
    if log.status not in (None, tags.get("reticent.status")):
        told.append(f"the status is {tags.get('reticent.status')}, not {log.status}")
    if run["info"]["artifact_uri"].startswith("mlflow-artifacts:"):
        told += _compared("file", log.artifacts, _files(server, run))
    return told


def _own(tags: dict[str, str], names: dict[str, str]) -> dict[str, str]:
    return {names.get(key, key): value for key, value in tags.items() if not key.startswith(("mlflow.", "reticent."))}


def _files(server: Server, run: dict[str, Any]) -> dict[str, str]:
    found = server.files(run["info"]["artifact_uri"])
    outputs = run.get("outputs", {}).get("model_outputs", ())
    for one in {one["model_id"] for one in outputs}:
        model = server.ask("GET", f"mlflow/logged-models/{one}")["model"]["info"]
        assert model["status"] == "LOGGED_MODEL_READY", model
        found |= {f"{model['name']}/{path}": sum_ for path, sum_ in server.files(model["artifact_uri"]).items()}
    assert len(outputs) == len({one["model_id"] for one in outputs}), f"a model is there twice: {outputs}"
    return {
        path: sum_
        for path, sum_ in found.items()
        if not path.startswith("reticent/") and not (path.startswith("params/") and path.endswith(".txt"))
    }


def _compared(kind: str, wanted: dict[Any, Any], found: dict[Any, Any]) -> Iterator[str]:
    for key in sorted(wanted.keys() | found.keys(), key=str):
        if wanted.get(key) != found.get(key):
            yield f"{kind} {key!r}: {wanted.get(key)!r} in the run log, {found.get(key)!r} in the store"


class Log:
    """What the log of a run says in the end."""

    def __init__(self, root: Path, run_id: str) -> None:
        self.params: dict[str, str] = {}
        self.tags: dict[str, str] = {}
        self.points: Counter[tuple[str, int, float, int]] = Counter()
        self.datasets: list[tuple[str, str]] = []
        self.artifacts: dict[str, str] = {}
        self.models: list[str] = []
        self.status: str | None = None
        reader = RunReader(root / "runs" / run_id)
        while True:
            entries, blocks = reader.read(max_events=1000, max_metrics=10_000)
            if not entries and not blocks:
                break
            for entry in entries:
                self._take(entry.record)
            for block in blocks:
                self.points.update((one.key, one.step, one.value, int(one.time * 1000)) for one in block)
        # The server keeps equal points once, as its own client's: they are one point.
        self.points = Counter(dict.fromkeys(self.points, 1))

    def _take(self, record: object) -> None:
        if isinstance(record, Param):
            self.params.setdefault(record.key, record.value)
        elif isinstance(record, Tag):
            self.tags[record.key] = record.value
        elif isinstance(record, Dataset):
            self.datasets.append((record.name, record.digest))
        elif isinstance(record, Artifact):
            self.artifacts[record.path] = record.sha256
        elif isinstance(record, ArtifactRemoved):
            self.artifacts = {path: sum_ for path, sum_ in self.artifacts.items() if not is_under(path, record.path)}
        elif isinstance(record, Model):
            self.models.append(record.path)
        elif isinstance(record, RunEnded):
            self.status = record.status.value
