"""Runs that MLflow's own client has logged, brought in from its server."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

import reticent
from reticent import settings
from reticent.errors import SourceError
from reticent.importing import bring_in
from reticent.importing.mlflow import runs
from reticent.records import RunStatus
from reticent.sessions import current

from .faults import FaultyProxy, status
from .servers import mlflow_server

SECRET = "sk-" + "proj-" + "4hT9qLw2" * 6
START = 1_600_000_000_000


@pytest.fixture(scope="module")
def experiment(mlflow_url: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An experiment with a finished run, its failed child, and one that goes on."""
    from mlflow.entities import Metric
    from mlflow.tracking import MlflowClient

    client = MlflowClient(mlflow_url)
    name = f"old-{uuid.uuid4().hex[:8]}"
    number = client.create_experiment(name)
    run = client.create_run(number, start_time=START, run_name="parent", tags={"team": "a", "mlflow.user": "kim"})
    client.log_param(run.info.run_id, "lr", "0.1")
    client.log_param(run.info.run_id, "api_key", SECRET)
    for first in range(0, 3000, 1000):
        points = [Metric("loss", step / 2, START + step, step) for step in range(first, first + 1000)]
        client.log_batch(run.info.run_id, points)
    for step, value in enumerate((math.nan, math.inf, -math.inf)):
        client.log_metric(run.info.run_id, "odd", value, timestamp=START, step=step)
    client.log_text(run.info.run_id, "hello ä", "notes/ü b.txt")
    client.log_text(run.info.run_id, f"token: {SECRET}\n", "config.yaml")
    _log_dataset(client, run.info.run_id)
    client.set_terminated(run.info.run_id, "FINISHED", end_time=START + 60_000)
    child = client.create_run(number, run_name="child", tags={"mlflow.parentRunId": run.info.run_id})
    client.set_terminated(child.info.run_id, "FAILED")
    client.create_run(number, run_name="open")
    return name


def _log_dataset(client: object, run_id: str) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    dataset = Dataset("churn.csv", "abc123", "local", '{"uri": "churn.csv"}', '{"columns": 3}', '{"rows": 10}')
    client.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "train")])])  # type: ignore[attr-defined]


def test_all_of_a_run_is_brought_in(root: Path, mlflow_url: str, experiment: str) -> None:
    counts = bring_in(current(), "mlflow", runs(mlflow_url, [experiment]), unfinished=False)
    assert ([name for _, name in counts.new], counts.running, counts.failed) == (["parent", "child"], 1, [])
    found = {run.name: run for run in reticent.search_runs()}
    run = found["parent"]
    assert (run.experiment, run.status) == (experiment, RunStatus.FINISHED)
    assert (run.start_time, run.end_time) == (START / 1000, START / 1000 + 60)
    assert run.params["lr"] == "0.1"
    assert (run.tags["team"], run.tags["user"], run.tags["imported.from"]) == ("a", "kim", "mlflow")
    assert [(point.step, point.value, point.time) for point in run.metric_history("loss")] == [
        (step, step / 2, (START + step) / 1000) for step in range(3000)
    ]
    odd = [point.value for point in run.metric_history("odd")]
    assert math.isnan(odd[0])
    assert odd[1:] == [math.inf, -math.inf]
    artifacts = root / "runs" / run.run_id / "artifacts"
    assert (artifacts / "notes" / "ü b.txt").read_text() == "hello ä"
    assert SECRET not in (artifacts / "config.yaml").read_text()
    (dataset,) = run.datasets()
    assert (dataset.name, dataset.context, dataset.digest) == ("churn.csv", "train", "abc123")
    assert found["child"].parent_id == run.run_id
    assert found["child"].status is RunStatus.FAILED
    assert not any(SECRET.encode() in path.read_bytes() for path in root.rglob("*") if path.is_file())


def test_the_second_time_only_what_is_new_comes(root: Path, mlflow_url: str, experiment: str) -> None:
    bring_in(current(), "mlflow", runs(mlflow_url, [experiment]), unfinished=False)
    counts = bring_in(current(), "mlflow", runs(mlflow_url, [experiment]), unfinished=True)
    assert (counts.known, [name for _, name in counts.new]) == (2, ["open"])
    assert {run.status for run in reticent.search_runs() if run.name == "open"} == {RunStatus.CRASHED}


def test_more_runs_than_a_page_has(root: Path, mlflow_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.tracking import MlflowClient

    from reticent.importing import mlflow

    monkeypatch.setattr(mlflow, "_PAGE", 2)
    monkeypatch.setattr(mlflow, "_POINTS", 2)
    client = MlflowClient(mlflow_url)
    name = f"pages-{uuid.uuid4().hex[:8]}"
    number = client.create_experiment(name)
    for _ in range(5):
        run = client.create_run(number)
        for step in range(5):
            client.log_metric(run.info.run_id, "loss", step, step=step)
        client.set_terminated(run.info.run_id)
    assert len(bring_in(current(), "mlflow", runs(mlflow_url, [name]), unfinished=False).new) == 5
    assert {run.metric_summary("loss").count for run in reticent.search_runs()} == {5}


def test_our_own_run_comes_back_as_it_was(root: Path, mlflow_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETICENT_BACKENDS", f"mlflow+{mlflow_url}")
    settings.reset()
    name = f"ours-{uuid.uuid4().hex[:8]}"
    with reticent.start_run("ours", experiment=name) as run:
        run.log_param("a@b{c}", 1)
        run.log_metric("top@1", 0.5, 1)
    assert reticent.flush(60)
    ((run_id, _),) = bring_in(current(), "mlflow", runs(mlflow_url, [name]), unfinished=False).new
    back = reticent.get_run(run_id)
    assert back.params["a@b{c}"] == "1"
    assert back.metrics == {"top@1": 0.5}


def test_a_directory_is_read_through_a_server(root: Path, tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    with pytest.raises(SourceError, match=r"mlflow server --backend-store-uri .*mlruns"):
        list(runs(str(tmp_path / "mlruns"), []))
    environment = {"MLFLOW_ALLOW_FILE_STORE": "true", **os.environ}
    with mlflow_server(tmp_path / "server", store=str(tmp_path / "mlruns"), environment=environment) as server:
        client = MlflowClient(server.url)
        run = client.create_run("0", run_name="in files")
        client.log_metric(run.info.run_id, "loss", 0.5, step=1)
        client.set_terminated(run.info.run_id)
        counts = bring_in(current(), "mlflow", runs(server.url, []), unfinished=False)
    assert [name for _, name in counts.new] == ["in files"]


def test_a_server_that_is_not_there_and_an_experiment_that_is_not(root: Path, mlflow_url: str) -> None:
    with pytest.raises(SourceError, match="cannot be reached"):
        list(runs("http://127.0.0.1:9", []))
    with pytest.raises(SourceError, match="has no experiment 'nowhere'"):
        list(runs(mlflow_url, ["nowhere"]))


@pytest.fixture
def weighty(mlflow_url: str) -> tuple[str, str]:
    """An experiment with a run that has a file of 3 MB, and one that has not; its name, and the id of the former."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(mlflow_url)
    name = f"weighty-{uuid.uuid4().hex[:8]}"
    number = client.create_experiment(name)
    heavy, light = client.create_run(number, run_name="heavy"), client.create_run(number, run_name="light")
    client.log_text(heavy.info.run_id, "x" * 3_000_000, "models/big.txt")
    client.log_text(light.info.run_id, "x" * 300_000, "small.txt")
    for run in (heavy, light):
        client.set_terminated(run.info.run_id)
    return name, str(heavy.info.run_id)


def test_a_file_that_is_too_large_is_named(root: Path, mlflow_url: str, weighty: tuple[str, str]) -> None:
    name, heavy = weighty
    reticent.configure(max_import_mb=1)
    with FaultyProxy(mlflow_url) as proxy:
        counts = bring_in(current(), "mlflow", runs(proxy.url, [name]), unfinished=False)
        assert not [one for one in proxy.requests if "/get-artifact" in one.path and heavy in one.path], (
            "it was fetched"
        )
    assert [name for _, name in counts.new] == ["light"]
    ((run_id, why),) = counts.failed
    assert run_id == heavy
    assert "models/big.txt" in why
    assert "RETICENT_MAX_IMPORT_MB" in why
    reticent.configure(max_import_mb=4)
    counts = bring_in(current(), "mlflow", runs(mlflow_url, [name]), unfinished=False)
    assert ([name for _, name in counts.new], counts.failed, counts.known) == (["heavy"], [], 1)


def test_so_is_one_of_which_the_server_says_that_it_is_not(
    root: Path, mlflow_url: str, weighty: tuple[str, str]
) -> None:
    name, _ = weighty
    reticent.configure(max_import_mb=1)
    with FaultyProxy(mlflow_url) as proxy:
        proxy.fails(status(200, body=b"x" * 1_100_000), path="/get-artifact.*small")
        counts = bring_in(current(), "mlflow", runs(proxy.url, [name]), unfinished=False)
    assert counts.new == []
    assert any("small.txt" in why and "more than 1 MB" in why for _, why in counts.failed)
    assert not list((root / "moving").iterdir())


def test_a_full_disk_is_said_and_what_came_before_stays(
    mlflow_url: str, weighty: tuple[str, str], tmp_path: Path
) -> None:
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)], capture_output=True)
    if mounted.returncode:
        pytest.skip("needs the right to mount a file system (root)")
    command = [sys.executable, "-m", "reticent.cli", "import", "--from", "mlflow", mlflow_url, "-e", weighty[0]]
    environment = {**os.environ, "RETICENT_DIR": str(place), "COLUMNS": "400"}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        told = " ".join(done.stderr.split())
        assert f"no room under {place}" in told
        assert "cannot be reached" not in told
        assert not list((place / "moving").iterdir())
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
