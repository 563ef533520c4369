"""An MLflow server keeps what backends promise."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

import pytest
import requests
from mlflow import MlflowClient

from reticent.backends.mlflow import MlflowBackend
from reticent.backends.mlflow.backend import STATUS_TAG
from reticent.backends.mlflow.naming import NAME_TAG, TAGS
from reticent.backends.mlflow.runs import RUN_ID_TAG
from reticent.testing import BackendContract

OURS = {theirs: ours for ours, theirs in TAGS.items()}


class TestMlflow(BackendContract):
    backend = MlflowBackend
    stores_nan = False  # infinite values come back as the largest number

    server: ClassVar[str]

    @pytest.fixture(autouse=True)
    def use(self, mlflow_url: str) -> None:
        type(self).server = mlflow_url

    def url(self, directory: Path) -> str:
        """A store is an experiment of its own."""
        return f"mlflow+{self.server}?experiment={quote(str(directory), safe='')}"

    def ask(self, method: str, endpoint: str, **told: Any) -> dict[str, Any]:
        answer = requests.request(method, f"{self.server}/api/2.0/mlflow/{endpoint}", timeout=60, **told)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def read(self, url: str, run_id: str) -> dict[str, object]:
        name = requests.utils.unquote(urlsplit(url.removeprefix("mlflow+")).query.removeprefix("experiment="))
        experiment = self.ask("GET", "experiments/get-by-name", params={"experiment_name": name})["experiment"]
        wanted = {
            "experiment_ids": [experiment["experiment_id"]],
            "filter": f"tags.`{RUN_ID_TAG}` = '{run_id}'",
        }
        runs = self.ask("POST", "runs/search", json=wanted).get("runs", [])
        if not runs:
            return {}
        (run,) = runs
        number = run["info"]["run_id"]
        tags = {one["key"]: one["value"] for one in run["data"].get("tags", ())}
        names = {key.removeprefix(NAME_TAG): value for key, value in tags.items() if key.startswith(NAME_TAG)}
        metrics = {}
        for metric in run["data"].get("metrics", ()):
            asked = {"run_id": number, "metric_key": metric["key"]}
            history = self.ask("GET", "metrics/get-history", params=asked)["metrics"]
            points = [(int(one.get("step", 0)), float(one["value"])) for one in history]
            metrics[names.get(metric["key"], metric["key"])] = sorted(points, key=lambda point: point[0])
        return {
            "status": tags.get(STATUS_TAG, run["info"]["status"]),
            "params": {names.get(one["key"], one["key"]): one["value"] for one in run["data"].get("params", ())},
            "tags": {
                OURS.get(key) or names.get(key, key): value
                for key, value in tags.items()
                if key in OURS or not key.startswith(("mlflow.", "reticent."))
            },
            "metrics": metrics,
            "artifacts": sorted(path for path in self.files(number, "") if not path.startswith("reticent/")),
            "aliases": self.aliases(number),
        }

    def aliases(self, run_id: str) -> dict[str, str]:
        """What the aliases of registered models mean that are models of this run, as MLflow's client says."""
        client, found = MlflowClient(self.server), {}
        for model in client.search_registered_models():
            for alias, version in model.aliases.items():
                made = client.get_model_version(model.name, version)
                if made.run_id == run_id:
                    found[f"{model.name}@{alias}"] = client.get_logged_model(made.source.rpartition("/")[2]).name
        return found

    def files(self, run_id: str, path: str) -> list[str]:
        found = self.ask("GET", "artifacts/list", params={"run_id": run_id, "path": path}).get("files", [])
        return [
            path for one in found for path in (self.files(run_id, one["path"]) if one.get("is_dir") else [one["path"]])
        ]
