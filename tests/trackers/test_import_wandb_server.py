"""Runs that `wandb sync` has uploaded to a server that stands in for W&B's, brought in from there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import reticent
from reticent.backends.protolog import fields, frames, records
from reticent.backends.wandb import mapping
from reticent.errors import SourceError
from reticent.importing import bring_in
from reticent.importing.wandb import runs
from reticent.records import RunStatus
from reticent.sessions import current
from reticent.testing import captured

from .test_import_wandb import SECRET, logged
from .wandb_server import Server, wandb_server

__all__ = ["logged"]  # a fixture

URL = "wandb://team/study"
KEY = "0" * 40
ARTIFACT = 8
"""The number of their records in a log."""


def without_artifacts(log: Path) -> None:
    """The server that stands in here has no place for them."""
    whole = records(log.read_bytes(), mapping.HEADER)
    left = [one for one in whole if ARTIFACT not in {number for number, _ in fields(one)}]
    log.write_bytes(mapping.HEADER + frames(left, len(mapping.HEADER)))


@pytest.fixture(scope="module")
def uploaded(logged: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the runs `calm`, `failed` and `open` of the project `study`."""
    with wandb_server() as server:
        environment = {
            **os.environ,
            "WANDB_BASE_URL": server.url,
            "WANDB_API_KEY": KEY,
            "WANDB_ERROR_REPORTING": "false",
            "WANDB_ENTITY": "team",
            "HOME": str(logged / "home"),
        }
        place = tmp_path_factory.mktemp("uploaded")
        shutil.copytree(logged / "wandb", place / "wandb", symlinks=True)
        logs = [path for name in ("calm", "failed", "open") for path in place.glob(f"wandb/offline-*/run-{name}.wandb")]
        chosen = [path for path in logs if b"study" in path.read_bytes()]
        for path in chosen:
            without_artifacts(path)
        command = [sys.executable, "-m", "wandb", "beta", "sync", "--no-skip-synced", *map(str, chosen)]
        subprocess.run(command, env=environment, check=True, timeout=300, cwd=place)
        del server.exits["open"]
        yield server


@pytest.fixture
def server(uploaded: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("WANDB_BASE_URL", uploaded.url)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    uploaded.asked.clear()
    yield uploaded
    uploaded.refuse = 0


def test_a_run_is_the_same_from_the_server_and_from_the_directory(root: Path, server: Server, logged: Path) -> None:
    counts = bring_in(current(), "wandb", runs(URL, []), unfinished=False)
    assert (counts.failed, {name for _, name in counts.new} >= {"calm", "failed"}) == ([], True)
    bring_in(current(), "wandb", runs(str(logged), ["study"]), unfinished=False)
    found = {run.tags["imported.id"]: run for run in reticent.search_runs()}
    run, same = found["team/study/calm"], found["study/calm"]
    assert run.params == same.params
    assert run.metrics == {key: value for key, value in same.metrics.items() if not key.startswith("system/")}
    for key in ("loss", "deep.x", "odd"):
        points, wanted = run.metric_history(key), same.metric_history(key)
        assert [(one.step, str(one.value), one.time) for one in points] == [
            (one.step, str(one.value), one.time) for one in wanted
        ]
    told = ("wandb.tags", "wandb.group", "wandb.job_type", "notes", "summary.verdict")
    assert {key: run.tags[key] for key in told} == {key: same.tags[key] for key in told}
    assert (run.tags["user"], run.experiment, run.status) == ("kim", "study", RunStatus.FINISHED)
    assert found["team/study/failed"].status is RunStatus.FAILED
    artifacts = root / "runs" / run.run_id / "artifacts"
    assert (artifacts / "saved.yaml").read_text().startswith("token: [REDACTED")
    (told_,) = [one.warnings for one in captured(root) if one.tags["imported.id"] == "team/study/calm"]
    assert any("1 artifacts" in text for text in told_)
    assert any("loads of the machine" in text for text in told_)
    assert not any("rows of the history" in text for text in told_)
    assert not any(SECRET.encode() in path.read_bytes() for path in root.rglob("*") if path.is_file())


def test_more_than_a_page_comes_and_the_second_time_nothing(
    root: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "page", 1)
    first = bring_in(current(), "wandb", runs(URL, []), unfinished=True)
    assert {name for _, name in first.new} == {"calm", "failed", "open"}
    pages = [one for one in server.asked if one.get("run") == "calm" and "minStep" in one]
    assert len(pages) == 4, "5000 steps, of which 3002 have a row"
    assert [one["minStep"] for one in pages] == [0, *(one["maxStep"] for one in pages[:-1])]
    assert all(one["pageSize"] == one["maxStep"] - one["minStep"] for one in pages)
    again = bring_in(current(), "wandb", runs(URL, []), unfinished=True)
    assert (again.known, again.new, again.failed) == (3, [], [])


def test_rows_that_are_missing_are_told(root: Path, server: Server) -> None:
    lost = server.history["calm"].pop(7)
    server.history["calm"][9000] = {"_step": -1}  # counted, and in no page
    try:
        bring_in(current(), "wandb", runs(URL, []), unfinished=False)
    finally:
        server.history["calm"][7] = lost
        del server.history["calm"][9000]
    (told,) = [one.warnings for one in captured(root) if one.tags["imported.id"] == "team/study/calm"]
    count = len(server.history["calm"])
    assert f"rows of the history: {count - 1} came, and the server says that there are {count}" in told


@pytest.mark.parametrize(("status", "told"), [(401, "set another WANDB_API_KEY"), (404, "answers with status 404")])
def test_a_server_that_refuses_is_told(root: Path, server: Server, status: int, told: str) -> None:
    server.refuse = status
    with pytest.raises(SourceError, match=told) as error:
        list(runs(URL, []))
    assert KEY not in str(error.value)


def test_a_server_with_too_many_requests_is_asked_again(
    root: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.refuse = 429
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        server.refuse = 0

    monkeypatch.setattr("reticent.importing.wandb.server.time.sleep", wait)
    assert len(bring_in(current(), "wandb", runs(URL, []), unfinished=True).new) == 3
    assert waits == [1.0]


def test_where_files_lie_elsewhere_the_key_is_not_told(
    root: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with wandb_server() as elsewhere:
        elsewhere.uploads = server.uploads
        monkeypatch.setattr(server, "files_at", elsewhere.url)
        assert bring_in(current(), "wandb", runs(URL, []), unfinished=False).failed == []
        assert elsewhere.credentials == {None}


@pytest.mark.parametrize(
    ("place", "experiments", "told"),
    [
        ("wandb://team/nowhere", [], "has no project team/nowhere"),
        ("wandb://team", [], "names no project"),
        (URL, ["study"], "name it in the URL"),
    ],
)
def test_what_is_not_there_is_told(root: Path, server: Server, place: str, experiments: list[str], told: str) -> None:
    with pytest.raises(SourceError, match=told):
        list(runs(place, experiments))


def test_the_server_answers_as_wandb_s_own_client_expects(server: Server, logged: Path) -> None:
    """So that what is read from it here can be read from W&B's."""
    script = """
import json, wandb
found = {run.id: run for run in wandb.Api().runs("team/study")}
run = found["calm"]
print(json.dumps([sorted(found), run.state, run.config["lr"], run.summary["best"], run.tags, run.lastHistoryStep,
                  [file.name for file in run.files()]]))
"""
    environment = {**os.environ, "HOME": str(logged / "home"), "WANDB_ERROR_REPORTING": "false", "WANDB_SILENT": "true"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=120, cwd=logged
    )
    assert done.returncode == 0, done.stderr
    ids, state, lr, best, tags, last, files = json.loads(done.stdout.splitlines()[-1])
    assert (ids, state, lr, best, tags, last) == (["calm", "failed", "open"], "finished", 0.1, 3, ["a", "b"], 5000)
    assert "saved.yaml" in files
