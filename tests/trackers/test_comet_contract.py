"""Comet's offline archives keep what backends promise; read as `comet upload` reads them, by its validators and messages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from comet_ml import messages, schemas
from comet_ml.offline import unzip_offline_archive
from tests.trackers.answering import answering

from reticent import records
from reticent.backends import Batch
from reticent.backends.comet import CometBackend
from reticent.errors import SettingsError
from reticent.testing import BackendContract
from reticent.testing.batches import RUN, START, batch, example, param, sealed, started

VALIDATORS = {
    "metric_msg": schemas.get_metric_msg_validator(),
    "parameter_msg": schemas.get_parameter_msg_validator(),
    "log_other": schemas.get_log_other_msg_validator(),
    "file_upload": schemas.get_upload_msg_validator(),
    "standard_output": schemas.get_standard_output_msg_validator(),
}


class TestComet(BackendContract):
    backend = CometBackend

    def url(self, directory: Path) -> str:
        return f"comet://{directory}/store"

    def read(self, url: str, run_id: str) -> dict[str, object]:
        store = Path(url.removeprefix("comet://"))
        archive = store / f"{run_id}.zip"
        if not archive.exists():
            if not (store / run_id).exists():
                return {}
            archive = self.ended(url, run_id)
        run: dict[str, object] = {"params": {}, "tags": {}, "metrics": defaultdict(list), "artifacts": []}
        with unzipped(archive) as directory:
            for kind, told in uploaded(directory):
                if kind == "metric_msg":
                    metric = messages.MetricMessage.from_message_dict(told).metric
                    run["metrics"][metric["metricName"]].append((metric["step"], float(metric["metricValue"])))
                elif kind == "parameter_msg":
                    one = messages.ParameterMessage.from_message_dict(told).param
                    value = one["paramValue"]
                    run["params"][one["paramName"]] = value if isinstance(value, str) else json.dumps(value)
                elif kind == "log_other" and told["key"] == "reticent.status":
                    run["status"] = told["value"]
                elif kind == "log_other" and told["key"] != "Name" and not told["key"].startswith("reticent."):
                    run["tags"][told["key"]] = told["value"]
                elif kind == "file_upload":
                    assert (directory / told["file_path"]).is_file()
                    run["artifacts"].append(told["file_path"].removeprefix("files/"))
        run["metrics"] = {key: sorted(points, key=lambda point: point[0]) for key, points in run["metrics"].items()}
        return run

    def ended(self, url: str, run_id: str) -> Path:
        """The archive of a copy of the store, in which a run that goes on has ended: before, Comet has no form for it."""
        copied = Path(url.removeprefix("comet://") + "-ended")
        shutil.rmtree(copied, ignore_errors=True)
        shutil.copytree(Path(url.removeprefix("comet://")), copied)
        over = records.RunEnded(time=START + 9, status=records.RunStatus.RUNNING)
        end = Batch(run_id, copied, [records.Entry("w", 0, over)], (), started(run_id))
        happened = copied / run_id / "messages.json"
        end.mark.text = str(happened.stat().st_size if happened.exists() else 0)
        with self.opened(f"comet://{copied}", copied) as (backend, _):
            assert list(backend.write(end)) == []
        return copied / f"{run_id}.zip"

    def test_comets_upload_sends_it_all(self, store: str, tmp_path: Path) -> None:
        self.write(store, tmp_path, example(tmp_path))
        command = [Path(sys.executable).with_name("comet"), "upload", tmp_path / "store" / f"{RUN}.zip"]
        with answering(comet_server) as server:
            settings = {
                "COMET_URL_OVERRIDE": f"{server.url}/clientlib/",
                "COMET_API_KEY": "k" * 25,
                "COMET_CONFIG": os.devnull,
            }
            environment = {**os.environ, **settings, "COMET_MESSAGE_BATCH_USE_COMPRESSION": "false"}
            subprocess.run(command, env=environment, timeout=100, check=True, capture_output=True)

        def values(path: str, *fields: str) -> list[tuple[object, ...]]:
            found = [one for body in server.sent(path) for one in json.loads(body)["values"]]
            return sorted(tuple(one[name] for name in fields) for one in found)

        (run,) = [json.loads(body) for body in server.sent("logger/add/run")]
        assert (run["experimentKey"], run["projectName"]) == (RUN, "default")
        assert values("experiment/metric", "metricName", "step", "metricValue") == sorted(
            [("loss", step, 1 / (step + 1)) for step in range(10)]
            + [("accuracy", step, step / 10) for step in range(10)]
        )
        assert values("experiment/parameter", "parameterName", "parameterValue") == [("layers", "[1, 2]"), ("lr", 0.1)]
        others = {one["key"]: one["value"] for one in map(json.loads, server.sent("log-other"))}
        assert others == {"team": "b", "Name": "calm-owl-7", "reticent.run_id": RUN, "reticent.status": "FINISHED"}
        assert any(b"some text" in body for body in server.sent("asset/upload"))

    def test_the_archive_is_there_when_the_run_has_ended(self, store: str, tmp_path: Path) -> None:
        archive = tmp_path / "store" / f"{RUN}.zip"
        mark = self.write(store, tmp_path, batch(tmp_path, param("lr", "0.1"), metrics=[("loss", 0, 1.0)]))
        assert not archive.exists()
        over = records.RunEnded(time=START + 9, status=records.RunStatus.FAILED, error=sealed("Traceback ..."))
        mark = self.write(
            store, tmp_path, Batch(RUN, tmp_path, [records.Entry("w", 900, over)], (), started()), mark=mark
        )
        with unzipped(archive) as directory:
            told = json.loads((directory / "experiment.json").read_text())
        assert (told["offline_id"], told["project_name"]) == (RUN, "default")
        assert (told["start_time"], told["stop_time"]) == (START * 1000, (START + 9) * 1000)
        assert (told["customer_error_reported"], told["customer_error_message"]) == (True, "Traceback ...")
        before = archive.stat().st_mtime_ns
        mark = self.write(store, tmp_path, Batch(RUN, tmp_path, (), (), started()), mark=mark)
        assert archive.stat().st_mtime_ns == before
        self.write(
            store, tmp_path, Batch(RUN, tmp_path, [records.Entry("w", 990, started())], (), started()), mark=mark
        )
        assert not archive.exists(), "it was resumed"
        assert [path.name for path in archive.parent.iterdir() if path.name.startswith(".")] == [".store"]

    def test_files_are_what_comet_shows_them_as(self, store: str, tmp_path: Path) -> None:
        kept = []
        for path in ("plots/roc.png", "my model/weights.txt", "notes/a.txt"):
            (tmp_path / "artifacts" / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "artifacts" / path).write_text("some text")
            digest = "b94f6f125c79e3a5ffaa826f584c10d52ada669e6762051b826b55776d05aed2"
            kept.append(records.Artifact(time=START, path=sealed(path), size=9, sha256=digest))
        model = records.Model(time=START, path=sealed("my model"), flavor="sklearn", mlmodel=sealed(""), size=9)
        self.write(
            store,
            tmp_path,
            batch(tmp_path, *kept, model, records.RunEnded(time=START, status=records.RunStatus.FINISHED)),
        )
        with unzipped(tmp_path / "store" / f"{RUN}.zip") as directory:
            told = [payload for kind, payload in uploaded(directory) if kind == "file_upload"]
            assert all((directory / one["file_path"]).read_text() == "some text" for one in told)
        assert {one["upload_type"]: one["file_path"] for one in told} == {
            "visualization": "files/plots/roc.png",
            "model-element": "files/my model/weights.txt",
            "asset": "files/notes/a.txt",
        }

    def test_params_are_what_they_are_and_the_console_is_there(self, store: str, tmp_path: Path) -> None:
        values = {"lr": "0.1", "deep": "True", "none": "None", "list": "[1]", "big": str(1 << 70), "two\nlines": "x"}
        console = records.Console(time=START + 1, stream="stderr", text=sealed("a warning\n"))
        over = records.RunEnded(time=START, status=records.RunStatus.FINISHED)
        self.write(store, tmp_path, batch(tmp_path, *(param(*one) for one in values.items()), console, over))
        with unzipped(tmp_path / "store" / f"{RUN}.zip") as directory:
            told = list(uploaded(directory))
        params = {
            one["param"]["paramName"]: one["param"]["paramValue"] for kind, one in told if kind == "parameter_msg"
        }
        assert params == {"lr": 0.1, "deep": True, "none": None, "list": "[1]", "big": str(1 << 70), "two lines": "x"}
        (line,) = [one for kind, one in told if kind == "standard_output"]
        assert (line["output"], line["stderr"]) == ("a warning\n", True)

    def test_a_url_of_a_server_is_refused_with_what_to_do(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match="comet upload"), self.opened("comet://workspace/project", tmp_path):
            pass


def comet_server(_path: str, _body: bytes) -> dict[str, object]:
    """What Comet says to an upload."""
    waits = {f"{name}_millis": 1000 for name in ("is_alive_beat_duration", "gpu_monitor_interval")}
    run = {"runId": "r", "project_id": "p", "focusUrl": "http://comet/"}
    return {**waits, **run, "version": "5.0.0", "msg": "ok", "code": 200}


@contextmanager
def unzipped(archive: Path) -> Iterator[Path]:
    directory = Path(unzip_offline_archive(str(archive)))
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def uploaded(directory: Path) -> Iterator[tuple[str, dict]]:
    """The messages of an archive, each of which Comet finds valid."""
    schemas.get_experiment_file_validator().validate(json.loads((directory / "experiment.json").read_text()))
    for line in (directory / "messages.json").read_text().splitlines():
        message = json.loads(line)
        VALIDATORS[message["type"]].validate(message["payload"])
        yield message["type"], message["payload"]
