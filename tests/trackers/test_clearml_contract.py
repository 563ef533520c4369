"""ClearML's offline sessions keep what backends promise; read as ClearML's import reads them, by its types of requests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections import defaultdict
from pathlib import Path

import pytest

os.environ["CLEARML_CONFIG_FILE"] = os.devnull

from clearml.backend_api.services import events, tasks
from tests.trackers.answering import answering

from reticent import records
from reticent.backends.clearml import ClearMlBackend
from reticent.errors import SettingsError
from reticent.testing import BackendContract
from reticent.testing.batches import RUN, START, batch, example, param, sealed, tag


class TestClearMl(BackendContract):
    backend = ClearMlBackend
    stores_nan = False

    def url(self, directory: Path) -> str:
        return f"clearml://{directory}/store"

    def read(self, url: str, run_id: str) -> dict[str, object]:
        directory = Path(url.removeprefix("clearml://")) / run_id
        if not directory.exists():
            return {}
        task = edited(directory)
        properties = {name: item.value for name, item in task.hyperparams["properties"].items()}
        status = properties.pop("reticent.status")
        metrics: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
        for event in requests(directory, "metrics.jsonl"):
            one = events.MetricsScalarEvent(
                **{key: value for key, value in event.items() if key not in ("type", "method")}
            )
            one.validate()
            key = one.metric if one.metric == one.variant else f"{one.metric}/{one.variant}"
            metrics[key].append((one.iter, one.value))
        return {
            "status": status,
            "params": {name: item.value for name, item in task.hyperparams["General"].items()},
            "tags": {name: value for name, value in properties.items() if not name.startswith("reticent.")},
            "metrics": {key: sorted(points, key=lambda point: point[0]) for key, points in metrics.items()},
            "artifacts": sorted(artifact.key for artifact in task.execution.artifacts),
        }

    def test_clearmls_import_sends_it_all(self, store: str, tmp_path: Path) -> None:
        self.write(store, tmp_path, example(tmp_path))
        script = "import sys; from clearml import Task; Task.import_offline_session(sys.argv[1])"
        with answering(ClearMlServer()) as server:
            hosts = {f"CLEARML_{kind}_HOST": server.url for kind in ("API", "WEB", "FILES")}
            keys = {"CLEARML_API_ACCESS_KEY": "a", "CLEARML_API_SECRET_KEY": "b"}
            command = [sys.executable, "-c", script, str(tmp_path / "store" / RUN)]
            subprocess.run(command, env={**os.environ, **hosts, **keys}, timeout=100, check=True, capture_output=True)
        asked = [json.loads(body) for body in server.sent("tasks.edit")]
        assert asked[0]["name"] == "calm-owl-7"
        assert {name: one["value"] for name, one in asked[0]["hyperparams"]["General"].items()} == {
            "lr": "0.1",
            "layers": "[1, 2]",
        }
        (place,) = [one["uri"] for one in asked[-1]["execution"]["artifacts"]]
        assert place.startswith(server.url)
        assert any(b"some text" in body and b"a.txt" in body for body in server.sent("/"))
        sent = [json.loads(line) for body in server.sent("events.add_batch") for line in body.splitlines()]
        points = sorted((one["metric"], one["iter"], one["value"]) for one in sent)
        assert points == sorted(
            [("loss", step, 1 / (step + 1)) for step in range(10)]
            + [("accuracy", step, step / 10) for step in range(10)]
        )
        assert {one["task"] for one in sent} == {"new-task"}

    def test_an_import_finds_the_files(self, store: str, tmp_path: Path) -> None:
        self.write(store, tmp_path, example(tmp_path))
        directory = tmp_path / "store" / RUN
        told = json.loads((directory / "task.json").read_text())
        (artifact,) = edited(directory).execution.artifacts
        within = artifact.uri.replace(os.path.join(told["offline_folder"], "data/"), "", 1)
        assert (directory / "data" / within).read_text() == "some text"
        assert f".{told['id']}{os.sep}" in within, "each import has a place of its own for its files"
        assert (artifact.content_size, artifact.mode) == (9, "output")

    def test_the_console_and_values_that_are_no_numbers_are_in_the_log(self, store: str, tmp_path: Path) -> None:
        console = [
            records.Console(time=START + 1, stream=stream, text=sealed(f"to {stream}\n"))
            for stream in ("stdout", "stderr")
        ]
        points = [("loss", 0, float("nan")), ("loss", 1, float("-inf")), ("loss", 2, 0.5)]
        self.write(store, tmp_path, batch(tmp_path, *console, metrics=points))
        lines = [
            events.TaskLogEvent(**{key: value for key, value in line.items() if key not in ("type", "method")})
            for line in requests(tmp_path / "store" / RUN, "log.jsonl")
        ]
        assert {(line.level, line.msg) for line in lines} == {
            (events.LogLevelEnum.warning, "loss = nan at step 0"),
            (events.LogLevelEnum.warning, "loss = -inf at step 1"),
            (events.LogLevelEnum.info, "to stdout\n"),
            (events.LogLevelEnum.error, "to stderr\n"),
        }
        assert self.read(store, RUN)["metrics"] == {"loss": [(2, 0.5)]}

    def test_keys_are_graphs_and_what_they_draw(self, store: str, tmp_path: Path) -> None:
        keys = ["train/loss", "val/loss", "a/b/c", "loss/loss", "loss", "/x", "x/", "/"]
        self.write(store, tmp_path, batch(tmp_path, metrics=[(key, 0, 1.0) for key in keys]))
        assert set(self.read(store, RUN)["metrics"]) == set(keys)
        drawn = {(event["metric"], event["variant"]) for event in requests(tmp_path / "store" / RUN, "metrics.jsonl")}
        assert {("train", "loss"), ("val", "loss"), ("a", "b/c"), ("loss", "loss")} < drawn
        assert len(drawn) == len(keys)

    def test_params_have_types_and_no_tag_passes_for_the_status(self, store: str, tmp_path: Path) -> None:
        entries = [param("lr", "0.1"), param("deep", "True"), param("name", "x"), tag("reticent.status", "MINE")]
        self.write(store, tmp_path, batch(tmp_path, *entries))
        task = edited(tmp_path / "store" / RUN)
        assert {name: item.type for name, item in task.hyperparams["General"].items()} == {
            "lr": "float",
            "deep": "bool",
            "name": "str",
        }
        assert self.read(store, RUN)["status"] == "RUNNING"

    def test_a_url_of_a_server_is_refused_with_what_to_do(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match="import_offline_session"), self.opened("clearml://project", tmp_path):
            pass


class ClearMlServer:
    """What a server of ClearML's says to an import, which has the task told back to it as edited."""

    def __init__(self) -> None:
        self.task: dict[str, object] = {"id": "new-task", "status": "created", "project": "p", "type": "training"}

    def __call__(self, path: str, body: bytes) -> dict[str, object]:
        endpoint = path.rpartition("/")[2]
        if endpoint == "tasks.edit":
            self.task.update({key: value for key, value in json.loads(body).items() if key not in ("task", "force")})
        told = {
            "auth.login": {"token": self.token()},
            "projects.get_all": {"projects": [{"id": "p", "name": "default"}]},
            "tasks.create": {"id": "new-task"},
            "tasks.get_by_id": {"task": self.task},
            "tasks.edit": {"updated": 1, "fields": {}},
            "events.add_batch": {"added": 1, "errors": 0, "errors_info": {}},
        }
        about = {"name": endpoint, "requested_version": "2.30", "actual_version": "2.30"}
        result = {"result_code": 200, "result_subcode": 0, "result_msg": "OK"}
        return {
            "meta": {"id": "x", "trx": "x", "endpoint": about, **result},
            "data": told.get(endpoint, {"updated": 1}),
        }

    def token(self) -> str:
        parts = (
            {"alg": "none"},
            {"exp": 1 << 32, "api_version": "2.30", "server_version": "1.16", "env": ""},
            "unsigned",
        )
        return ".".join(urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)


def edited(directory: Path) -> tasks.EditRequest:
    """What an import would ask the server for."""
    told = json.loads((directory / "task.json").read_text())
    assert (told["project_name"], told["name"]) == ("default", "calm-owl-7") or directory.name != RUN
    fields = tasks.EditRequest._get_data_props()
    request = tasks.EditRequest(
        task="new", **{key: told[key] for key in fields if key in told and key not in ("id", "project")}
    )
    request.validate()
    return request


def requests(directory: Path, name: str) -> list[dict[str, object]]:
    lines = (directory / name).read_text().splitlines() if (directory / name).exists() else []
    found = [event for line in lines for event in json.loads(line)]
    assert events.AddBatchRequest(requests=found).requests == found
    return found
