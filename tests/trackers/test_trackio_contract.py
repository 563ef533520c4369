"""Trackio's databases keep what backends promise; read with Trackio's own reader."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import msgspec
import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
from trackio import Api, server, sqlite_storage, utils
from trackio.api import Run
from trackio.sqlite_storage import SQLiteStorage

from reticent import records
from reticent.backends import Batch, Mark, Target
from reticent.backends.trackio import TrackioBackend
from reticent.testing import BackendContract
from reticent.testing.batches import RUN, START, batch, param, sealed, started


@pytest.fixture(autouse=True)
def closed() -> None:
    sqlite_storage._close_all_persistent_connections()


def reads(directory: Path) -> None:
    """Have Trackio, which knows its directory from when it was imported, read another one."""
    sqlite_storage._close_all_persistent_connections()
    for module in (utils, sqlite_storage):
        module.TRACKIO_DIR = directory
    utils.MEDIA_DIR = directory / "media"


class TestTrackio(BackendContract):
    backend = TrackioBackend

    def url(self, directory: Path) -> str:
        return f"trackio://{directory}/store"

    def read(self, url: str, run_id: str) -> dict[str, object]:
        directory = Path(url.removeprefix("trackio://"))
        reads(directory)
        for database in directory.glob("*.db"):
            for run in Api().runs(database.stem):
                if run.id == run_id:
                    return self.found(run)
        return {}

    def found(self, run: Run) -> dict[str, object]:
        metrics: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
        for row in SQLiteStorage.get_logs(run.project, run_id=run.id):
            row.pop("timestamp")
            step = row.pop("step")
            for key, value in row.items():
                metrics[key].append((step, value))
        config = {key: value for key, value in run.config.items() if not key.startswith("_")}
        status, tags = config.pop("status"), config.pop("tags", {})
        own = {"error", "datasets", "references"}
        files = [one["name"] for one in server.get_project_files(run.project)]
        return {
            "status": status,
            "params": {
                key: value if isinstance(value, str) else json.dumps(value)
                for key, value in config.items()
                if key not in own
            },
            "tags": tags,
            "metrics": {key: sorted(points, key=lambda point: point[0]) for key, points in metrics.items()},
            "artifacts": [path.split("/", 1)[1] for path in files if path.startswith(run.id)],
        }


def test_what_was_written_behind_the_mark_is_taken_away(tmp_path: Path) -> None:
    store = f"trackio://{tmp_path}/store"
    first = written(store, tmp_path, batch(tmp_path, metrics=[("loss", step, 1.0) for step in range(5)]))
    written(store, tmp_path, batch(tmp_path, metrics=[("loss", step, 2.0) for step in range(5, 500)]), first)
    written(store, tmp_path, batch(tmp_path, metrics=[("loss", step, 3.0) for step in (5, 2, 7)]), first)
    logged = sorted((row["step"], row["loss"]) for row in logs(tmp_path / "store") if "loss" in row)
    assert logged == [(0, 1.0), (1, 1.0), (2, 1.0), (2, 3.0), (3, 1.0), (4, 1.0), (5, 3.0), (7, 3.0)]


def test_params_have_their_types_and_names_of_trackio_are_put_aside(tmp_path: Path) -> None:
    values = {"lr": "1e-4", "shuffle": "True", "name": "adam", "sizes": "[1, 2]", "status": "x", "big": "1" + "0" * 40}
    points = [("loss", 0, 1.0), ("step", 0, 7.0)]
    written(
        f"trackio://{tmp_path}/store", tmp_path, batch(tmp_path, *map(param, values, values.values()), metrics=points)
    )
    reads(tmp_path / "store")
    (run,) = Api().runs("default")
    wanted = {"lr": 1e-4, "shuffle": True, "name": "adam", "sizes": [1, 2], "logged/status": "x", "status": "RUNNING"}
    assert run.config == run.config | wanted
    assert float(run.config["big"]) == 1e40
    assert logs(tmp_path / "store")[-1]["__step"] == 7.0


def test_a_picture_is_an_image(tmp_path: Path) -> None:
    content = b"\x89PNG\r\n\x1a\n"
    file = tmp_path / "artifacts" / "plots" / "roc.png"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    record = records.Artifact(time=START, path=sealed("plots/roc.png"), size=len(content), sha256=digest)
    written(f"trackio://{tmp_path}/store", tmp_path, batch(tmp_path, record))
    (shown,) = [row["plots/roc.png"] for row in logs(tmp_path / "store") if "plots/roc.png" in row]
    assert shown["_type"] == "trackio.image"
    assert (tmp_path / "store" / "media" / shown["file_path"]).read_bytes() == content


@pytest.mark.parametrize(
    "experiment",
    [
        "registry-mine",
        "a_system",
        "a_artifact_aliases",
        "b_external_run_artifact_links",
        "名前" * 100,
        "///",
        "x" * 300,
    ],
)
def test_every_experiment_has_a_project(tmp_path: Path, experiment: str) -> None:
    whole = batch(tmp_path, metrics=[("loss", 0, 1.0)])
    start = msgspec.structs.replace(started(), experiment=sealed(experiment))
    written(f"trackio://{tmp_path}/store", tmp_path, dataclasses.replace(whole, started=start))
    reads(tmp_path / "store")
    (database,) = (tmp_path / "store").glob("*.db")
    SQLiteStorage.validate_project_name(database.stem)
    assert [run.id for run in Api().runs(database.stem)] == [RUN]


def test_trackio_goes_on_with_a_database_of_ours(tmp_path: Path) -> None:
    """Its own runs are logged beside ours, after it has made the tables what it wants."""
    written(f"trackio://{tmp_path}/store", tmp_path, batch(tmp_path, metrics=[("loss", 0, 1.0)]))
    script = """
import trackio
run = trackio.init(project="default", name="theirs", embed=False, auto_log_gpu=False)
trackio.log({"loss": 2.0})
trackio.finish()
"""
    environment = {**os.environ, "TRACKIO_DIR": str(tmp_path / "store"), "HF_HUB_OFFLINE": "1"}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True, capture_output=True, timeout=120)
    written(f"trackio://{tmp_path}/store", tmp_path, batch(tmp_path, metrics=[("loss", 0, 3.0)]))
    assert [row["loss"] for row in logs(tmp_path / "store") if "loss" in row] == [3.0]
    reads(tmp_path / "store")
    assert {run.name for run in Api().runs("default")} == {"theirs", "calm-owl-7"}


def test_without_a_directory_runs_lie_in_the_root(tmp_path: Path) -> None:
    written("trackio", tmp_path, batch(tmp_path, metrics=[("loss", 0, 1.0)]))
    assert [row["loss"] for row in logs(tmp_path / "trackio") if "loss" in row] == [1.0]


def test_trackio_is_not_imported_into_the_training() -> None:
    script = "import sys, reticent.backends.trackio; print('trackio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout.strip() == "False"


def written(store: str, root: Path, whole: Batch, mark: Mark | None = None) -> Mark:
    backend = TrackioBackend()
    backend.open(Target(store, root))
    mark = Mark("" if mark is None else mark.text)
    assert list(backend.write(dataclasses.replace(whole, mark=mark))) == []
    backend.close()
    return mark


def logs(directory: Path) -> list[dict[str, object]]:
    reads(directory)
    found: list[dict[str, object]] = SQLiteStorage.get_logs("default", run_id=RUN)
    return found
