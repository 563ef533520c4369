"""Where runs are on an MLflow server, when two processes bring a run and its child at the same time."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from tests.unit.serving import serving

import reticent
from reticent.backends.mlflow.artifacts import UnreachableError, store_at
from reticent.backends.mlflow.client import Client
from reticent.testing import isolated

SLOW_S = 3.0
BRINGS = """
import reticent, sys
reticent.configure(dir=sys.argv[1], capture={"git": False})
(result,) = reticent.sync([sys.argv[2]], run_ids=[sys.argv[3]]).values()
sys.exit(result.error)
"""


class Tracker:
    """As much of an MLflow server as a run without files needs. Its first answer about the parent waits for another question
    about that."""

    def __init__(self) -> None:
        self.runs: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._asked = threading.Event()
        self._asked_again = threading.Event()

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        endpoint = handler.path.partition("?")[0].removeprefix("/api/2.0/mlflow/")
        with self._lock:
            answer, waits = self._does(endpoint, json.loads(handler.body or b"{}"))  # type: ignore[attr-defined]
        if waits:
            self._asked_again.wait(SLOW_S)
        content = json.dumps(answer).encode()
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    def _does(self, endpoint: str, told: Any) -> tuple[dict[str, Any], bool]:
        if endpoint.startswith("experiments/get"):
            return {"experiment": {"experiment_id": "0", "creation_time": 1, "artifact_location": "/nowhere"}}, False
        if endpoint == "runs/search":
            (wanted,) = re.findall("= '(.*)'", told["filter"])
            found = [one for one in self.runs.values() if tags(one).get("reticent.run_id") == wanted]
            if wanted == "parent":
                (self._asked_again if self._asked.is_set() else self._asked).set()
            return {"runs": found}, wanted == "parent"
        if endpoint == "runs/create":
            run_id = f"there{len(self.runs)}"
            info = {"run_id": run_id, "experiment_id": "0", "artifact_uri": "/nowhere"}
            self.runs[run_id] = {"info": info, "data": {"tags": told["tags"]}}
            return {"run": self.runs[run_id]}, False
        if endpoint == "runs/set-tag":
            self.runs[told["run_id"]]["data"]["tags"].append({"key": told["key"], "value": told["value"]})
        return {}, False


def tags(run: dict[str, Any]) -> dict[str, str]:
    return {one["key"]: one["value"] for one in run["data"]["tags"]}


def test_each_of_them_is_made_once(tmp_path: Path) -> None:
    with isolated(tmp_path / "root", backends="") as root:
        with reticent.start_run(run_id="parent"), reticent.start_run(run_id="child", nested=True):
            pass
        assert reticent.flush(30)
    tracker = Tracker()
    with serving(tracker) as server:
        both = [
            subprocess.Popen([sys.executable, "-c", BRINGS, str(root), f"mlflow+{server.url}", run_id])
            for run_id in ("child", "parent")
        ]
        assert [process.wait(60) for process in both] == [0, 0]
    found = {tags(run)["reticent.run_id"]: run for run in tracker.runs.values()}
    assert len(tracker.runs) == 2
    assert tags(found["child"])["mlflow.parentRunId"] == found["parent"]["info"]["run_id"]
    assert tags(found["parent"]).get("reticent.awaited", "false") == "false"
    assert not list((root / "delivery" / "making").rglob("*.lock"))


@pytest.mark.parametrize(
    "uri",
    [
        "dbfs:/databricks/mlflow/1/2/artifacts",
        "memory://there/1/2/artifacts",
        "http://127.0.0.1:1/artifacts",
        "simplecache::file:///tmp/1/2/artifacts",
        "local:///tmp/1/2/artifacts",
        "data:,1/2/artifacts",
        "file:///tmp/../tmp/1/2/artifacts",
    ],
)
def test_files_go_nowhere_but_to_an_artifact_store(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fsspec does not know it takes for a directory here, and files would count as delivered."""
    monkeypatch.chdir(tmp_path)
    client = Client("http://127.0.0.1:1")
    with pytest.raises(UnreachableError, match="start"):
        store_at(client, uri)
    client.close()
