"""Runs that W&B's own SDK has logged offline, brought in from its directory."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import reticent
from reticent import settings
from reticent.backends.protolog import fields, frames, integer, part, records
from reticent.backends.wandb import mapping
from reticent.errors import SourceError
from reticent.importing import bring_in
from reticent.importing.wandb import runs
from reticent.records import RunStatus
from reticent.sessions import current
from reticent.testing import captured

SECRET = "sk-" + "proj-" + "4hT9qLw2" * 6

SCRIPT = """
import math, sys, time
from pathlib import Path
import numpy as np
import wandb

place = Path(sys.argv[1])
def start(name, **options):
    return wandb.init(project="study", name=name, dir=place, settings=wandb.Settings(console="wrap"), **options)

config = {"lr": 0.1, "net": {"layers": [1, 2], "drop": None}, "api_key": sys.argv[2]}
run = start("calm", id="calm", group="folds", job_type="train", tags=["a", "b"], notes="a try", config=config)
print("to the console", sys.argv[2])
run.define_metric("low", summary="min")
for step in range(3000):
    run.log({"loss": step / 2, "deep": {"x": step}, "low": -step, "word": "so"})
run.log({"odd": math.nan})
run.log({"odd": math.inf, "flag": True}, step=5000)
picture = wandb.Image(np.zeros((4, 4, 3), dtype=np.uint8))
table = wandb.Table(columns=["a"], data=[[1]])
run.log({"shown": picture, "table": table, "bars": wandb.Histogram(np.arange(10))})
run.summary.update({"best": 3, "loss": -1.0, "verdict": "good"})
run.config["late"] = 5
(place / "saved.yaml").write_text(f"token: {sys.argv[2]}\\n")
run.save(place / "saved.yaml", base_path=place)
for content in ("one", "two", "two"):
    (place / "w.bin").write_text(content)
    artifact = wandb.Artifact("net", "model")
    artifact.add_file(place / "w.bin")
    run.log_artifact(artifact)
run.finish()

start("failed", id="failed").finish(exit_code=1)
for part in range(2):
    run = start("resumed", id="resumed")
    for step in range(3):
        run.log({"loss": part * 10 + step})
    run.finish()
    if part == 0:  # directories are named by the second
        time.sleep(1.1)
with wandb.init(project="other", id="calm", dir=place) as run:
    run.log({"loss": 1})
run = start("open", id="open")
run.log({"loss": 1.0})
run.finish()
"""
EXIT = 18
"""The number of the record with which a log ends."""


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of two projects: finished, failed, resumed, and one whose process has gone."""
    place = tmp_path_factory.mktemp("logged")
    environment = {**os.environ, "WANDB_MODE": "offline", "WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"}
    for kind in ("HOME", "WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR"):
        environment[kind] = str(place / kind.lower())
    command = [sys.executable, "-c", SCRIPT, str(place), SECRET]
    subprocess.run(command, env=environment, check=True, cwd=place, timeout=300)
    (log,) = place.glob("wandb/offline-*/run-open.wandb")
    whole = records(log.read_bytes(), mapping.HEADER)
    left = [one for one in whole if EXIT not in {number for number, _ in fields(one)}]
    log.write_bytes(mapping.HEADER + frames(left, len(mapping.HEADER)))
    return place


def warnings(root: Path) -> str:
    """What the health of the run of the id "calm" says."""
    (run,) = [one for one in captured(root) if one.tags["imported.id"] == "study/calm"]
    return "\n".join(run.warnings)


def test_all_of_a_run_is_brought_in(root: Path, logged: Path) -> None:
    counts = bring_in(current(), "wandb", runs(str(logged), ["study"]), unfinished=False)
    assert sorted(name for _, name in counts.new) == ["calm", "failed", "resumed"]
    assert (counts.running, counts.failed) == (1, [])
    run = {run.name: run for run in reticent.search_runs()}["calm"]
    assert (run.experiment, run.status) == ("study", RunStatus.FINISHED)
    assert run.end_time is not None
    assert run.start_time < run.end_time
    assert {key: run.params[key] for key in ("lr", "late", "net")} == {
        "lr": "0.1",
        "late": "5",
        "net": "{'drop': None, 'layers': [1, 2]}",
    }
    wanted = {
        "wandb.tags": "a, b",
        "wandb.group": "folds",
        "wandb.job_type": "train",
        "notes": "a try",
        "summary.verdict": "good",
        "summary.word": "so",
        "imported.from": "wandb",
        "imported.id": "study/calm",
    }
    assert {key: run.tags[key] for key in wanted} == wanted
    assert [(point.step, point.value) for point in run.metric_history("loss")] == [(s, s / 2) for s in range(3000)]
    assert [point.value for point in run.metric_history("deep.x")] == list(range(3000))
    assert [(point.step, str(point.value)) for point in run.metric_history("odd")] == [(3000, "nan"), (5000, "inf")]
    assert {key: run.metrics[key] for key in ("best", "summary/loss", "low.min", "flag")} == {
        "best": 3.0,
        "summary/loss": -1.0,
        "low.min": -2999.0,
        "flag": 1.0,
    }
    assert all(run.start_time <= point.time <= run.end_time for point in run.metric_history("loss"))
    assert any(key.startswith("system/") for key in run.metrics)
    assert not any(key.startswith(("shown", "table", "bars")) for key in run.metrics)


def test_its_files_are_brought_in_and_what_is_not_stands_in_its_health(root: Path, logged: Path) -> None:
    bring_in(current(), "wandb", runs(str(logged), ["study"]), unfinished=False)
    run = {run.name: run for run in reticent.search_runs()}["calm"]
    artifacts = root / "runs" / run.run_id / "artifacts"
    assert "to the console" in (artifacts / "output.log").read_text()
    assert (artifacts / "saved.yaml").read_text().startswith("token: [REDACTED")
    assert [(artifacts / "net" / version / "w.bin").read_text() for version in ("v0", "v1")] == ["one", "two"]
    assert not (artifacts / "net" / "v2").exists()
    kinds = {path.suffix for path in (artifacts / "media").rglob("*")}
    assert {".png", ".json"} <= kinds
    assert run.health.state == "degraded"
    assert "bars (1)" in warnings(root)
    assert "word (3000)" in warnings(root)
    assert "shown" not in warnings(root)


def test_it_is_sealed_on_the_way(root: Path, logged: Path) -> None:
    bring_in(current(), "wandb", runs(str(logged), []), unfinished=True)
    reticent.search_runs()
    held = [path.read_bytes() for path in root.rglob("*") if path.is_file()]
    assert len(held) > 20
    assert not any(SECRET.encode() in data for data in held)


def test_a_run_of_several_logs_is_one_and_how_runs_ended(root: Path, logged: Path) -> None:
    counts = bring_in(current(), "wandb", runs(str(logged), []), unfinished=True)
    assert (len(counts.new), counts.failed) == (5, [])
    found = {(run.experiment, run.name): run for run in reticent.search_runs()}
    assert [point.value for point in found["study", "resumed"].metric_history("loss")] == [0, 10, 1, 11, 2, 12]
    assert found["study", "failed"].status is RunStatus.FAILED
    assert found["study", "open"].status is RunStatus.CRASHED
    assert {run.tags["imported.id"] for run in found.values()} >= {"study/calm", "other/calm"}


def test_the_second_time_only_what_is_new_comes(root: Path, logged: Path, tmp_path: Path) -> None:
    bring_in(current(), "wandb", runs(str(logged), []), unfinished=False)
    shutil.copytree(logged / "wandb", tmp_path / "moved", symlinks=True)
    counts = bring_in(current(), "wandb", runs(str(tmp_path / "moved"), []), unfinished=True)
    assert (counts.known, [name for _, name in counts.new]) == (4, ["open"])


def test_files_that_are_gone_are_told(root: Path, logged: Path, tmp_path: Path) -> None:
    shutil.copytree(logged / "wandb", tmp_path / "wandb", symlinks=True)
    (link,) = tmp_path.rglob("saved.yaml")
    link.unlink()
    link.symlink_to(tmp_path / "nowhere")
    kept = {path: path.read_bytes() for path in (logged / "wandb_data_dir").rglob("*") if path.is_file()}
    for path in kept:
        path.write_text("another one")
    try:
        bring_in(current(), "wandb", runs(str(tmp_path), ["study"]), unfinished=False)
    finally:
        for path, content in kept.items():
            path.write_bytes(content)
    run = {run.name: run for run in reticent.search_runs()}["calm"]
    assert "saved.yaml, a link" in warnings(root)
    assert "1 of 1 files of the artifact net" in warnings(root)
    assert not any(artifact.path.startswith("net/") for artifact in run.artifacts())


def test_a_log_that_is_damaged_says_so(root: Path, logged: Path, tmp_path: Path) -> None:
    path = next(one for one in logged.glob("wandb/offline-*/run-calm.wandb") if b"study" in one.read_bytes())
    for name, length in (("cut", path.stat().st_size // 2), ("empty", 0), ("headless", 7)):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"run-{name}.wandb").write_bytes(path.read_bytes()[:length])
    (tmp_path / "odd").mkdir()
    odd = frames([part(17, integer(1, 7)), b"\x0f"], 7)
    (tmp_path / "odd" / "run-odd.wandb").write_bytes(mapping.HEADER + odd)
    counts = bring_in(current(), "wandb", runs(str(tmp_path), []), unfinished=True)
    assert {Path(run_id).stem for run_id, _ in counts.failed} == {"run-empty", "run-headless", "run-odd"}
    (run,) = reticent.search_runs()
    assert run.status is RunStatus.CRASHED
    assert "cannot be read" in warnings(root)


def test_our_own_run_comes_back_as_it_was(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETICENT_BACKENDS", f"wandb+offline://{tmp_path}/store?project=study")
    settings.reset()
    with reticent.start_run("ours", experiment="churn", tags={"team": "a"}) as outer:
        outer.log_params({"lr": "0.1", "tags": "mine"})
        for step in (5, 3, 3):
            outer.log_metric("_step", step / 2, step)
        outer.log_text("hello", "notes/a.txt")
        with reticent.start_run("child"):
            pass
    assert reticent.flush(60)
    counts = bring_in(current(), "wandb", runs(f"{tmp_path}/store", ["study"]), unfinished=False)
    assert len(counts.new) == 2
    ids = {name: run_id for run_id, name in counts.new}
    back = reticent.get_run(ids["ours"])
    assert (back.experiment, back.status, back.tags["team"]) == ("churn", RunStatus.FINISHED, "a")
    assert back.params == {"lr": "0.1", "tags": "mine"}
    assert sorted((point.step, point.value) for point in back.metric_history("_step")) == [(3, 1.5), (3, 1.5), (5, 2.5)]
    assert "notes/a.txt" in {artifact.path for artifact in back.artifacts()}
    assert reticent.get_run(ids["child"]).parent_id == ids["ours"]


def test_what_is_not_there_is_told(root: Path, logged: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no directory with runs"):
        list(runs(str(tmp_path / "nowhere"), []))
    with pytest.raises(SourceError, match="there are no runs of W&B"):
        list(runs(str(tmp_path), []))
    with pytest.raises(SourceError, match="no runs of the project 'nowhere'"):
        list(runs(str(logged), ["nowhere"]))
