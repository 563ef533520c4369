"""Runs of other trackers become runs of ours: sealed, with their own times, each of them once."""

from __future__ import annotations

import math
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import reticent
from reticent import settings
from reticent.errors import SourceError
from reticent.importing import PastRun, Point, bring_in
from reticent.records import RunStatus
from reticent.sessions import current
from reticent.store import sync

SECRET = "sk-" + "proj-" + "4hT9qLw2" * 6
START = 1_600_000_000.0


def files(directory: Path) -> Iterator[Path]:
    for name, text in (("a.txt", "plain"), ("deep/config.yaml", f"token: {SECRET}\n")):
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        yield path
        assert not path.exists()  # no more than one is there at a time


def points() -> Iterator[Point]:
    for step in range(30_000):
        yield Point("loss", step / 2, step, START + step)
    yield Point("loss", math.nan, -5, START + 1.5)


OLD = PastRun(
    id="0123abcd",
    name="old one",
    experiment="churn",
    status=RunStatus.FAILED,
    start=START,
    end=START + 40_000,
    params={"lr": "0.1", "api_key": SECRET},
    tags={"team": "a"},
    points=points,
    files=files,
)


def one(**changes: object) -> PastRun:
    return PastRun(**{**{field: getattr(OLD, field) for field in OLD.__dataclass_fields__}, **changes})  # type: ignore[arg-type]


def test_it_has_all_that_it_had_with_its_times(root: Path) -> None:
    counts = bring_in(current(), "elsewhere", [OLD], unfinished=False)
    ((run_id, name),) = counts.new
    assert name == "old one"
    run = reticent.get_run(run_id)
    assert (run.name, run.experiment, run.status) == ("old one", "churn", RunStatus.FAILED)
    assert (run.start_time, run.end_time) == (START, START + 40_000)
    assert run.params["lr"] == "0.1"
    assert {key: run.tags[key] for key in ("team", "imported.from", "imported.id")} == {
        "team": "a",
        "imported.from": "elsewhere",
        "imported.id": "0123abcd",
    }
    history = [point for point in run.metric_history("loss") if point.step >= 0]
    assert [(point.value, point.step, point.time) for point in history] == [
        (step / 2, step, START + step) for step in range(30_000)
    ]
    assert math.isnan(run.metric_history("loss")[0].value)
    assert run.metric_history("loss")[0].time == START + 1.5
    assert {artifact.path for artifact in run.artifacts()} == {"a.txt", "deep/config.yaml"}


def test_it_is_sealed_on_the_way(root: Path) -> None:
    bring_in(current(), "elsewhere", [OLD], unfinished=False)
    reticent.search_runs()
    held = [path.read_bytes() for path in root.rglob("*") if path.is_file()]
    assert len(held) > 5
    assert not any(SECRET.encode() in data for data in held)
    (run,) = reticent.search_runs()
    assert run.params["api_key"] != SECRET
    assert list((root / "moving").iterdir()) == []
    assert not (root / "runs" / run.run_id / "staging").is_dir() or not list(
        (root / "runs" / run.run_id / "staging").iterdir()
    )


def test_the_second_time_nothing_is_done(root: Path) -> None:
    first = bring_in(current(), "elsewhere", [OLD], unfinished=False)
    before = {path: path.read_bytes() for path in (root / "runs").rglob("*") if path.is_file()}
    again = bring_in(current(), "elsewhere", [OLD, one(id="another")], unfinished=False)
    assert (len(first.new), again.known, len(again.new)) == (1, 1, 1)
    assert before.items() <= {path: path.read_bytes() for path in (root / "runs").rglob("*") if path.is_file()}.items()
    assert len(reticent.search_runs()) == 2


def test_one_that_was_deleted_comes_again_for_every_backend(root: Path) -> None:
    ((run_id, _),) = bring_in(current(), "elsewhere", [OLD], unfinished=False).new
    assert sync(["sqlite"])["sqlite"].records > 30_000
    shutil.rmtree(root / "runs" / run_id)
    bring_in(current(), "elsewhere", [OLD], unfinished=False)
    assert sync(["sqlite"])["sqlite"].records > 30_000
    assert reticent.get_run(run_id).metric_summary("loss").count == 30_001


def test_a_large_file_is_brought_in_too(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETICENT_MAX_ARTIFACT_MB", "0.000001")
    settings.reset()
    ((run_id, _),) = bring_in(current(), "elsewhere", [OLD], unfinished=False).new
    assert (root / "runs" / run_id / "artifacts" / "a.txt").read_text() == "plain"


def test_a_child_finds_its_parent_that_comes_later(root: Path) -> None:
    bring_in(current(), "elsewhere", [one(id="child", parent="parent"), one(id="parent")], unfinished=False)
    (child,) = [run for run in reticent.search_runs() if run.tags["imported.id"] == "child"]
    (parent,) = [run for run in reticent.search_runs() if run.tags["imported.id"] == "parent"]
    assert child.parent_id == parent.run_id


def test_what_may_go_on_is_left_out_or_crashed(root: Path) -> None:
    running = one(status=RunStatus.RUNNING, end=None)
    counts = bring_in(current(), "elsewhere", [running], unfinished=False)
    assert (counts.running, counts.new) == (1, [])
    ((run_id, _),) = bring_in(current(), "elsewhere", [running], unfinished=True).new
    run = reticent.get_run(run_id)
    assert (run.status, run.end_time) == (RunStatus.CRASHED, START + 29_999)


def test_one_that_cannot_be_read_is_told_and_keeps_no_other_from_coming(root: Path) -> None:
    def failing() -> Iterator[Point]:
        yield Point("loss", 1.0, 1, START)
        raise SourceError("the server has lost it")

    counts = bring_in(current(), "elsewhere", [one(id="lost", points=failing), OLD], unfinished=False)
    assert counts.failed == [("lost", "the server has lost it")]
    assert [run.tags["imported.id"] for run in reticent.search_runs()] == ["0123abcd"]
    assert len(bring_in(current(), "elsewhere", [one(id="lost")], unfinished=False).new) == 1


def test_times_that_no_log_can_have_become_ones_that_it_can(root: Path) -> None:
    odd = [Point("loss", 1.0, 1, moment) for moment in (-5.0, 0.0, math.nan, math.inf, 1e300)]
    bring_in(current(), "elsewhere", [one(start=-1.0, end=math.inf, points=lambda: odd)], unfinished=False)
    (run,) = reticent.search_runs()
    assert len(run.metric_history("loss")) == 5
    assert run.health.state == "ok"


def test_what_is_left_out_stands_in_its_health(root: Path) -> None:
    bring_in(current(), "elsewhere", [one(left_out=["a hologram"])], unfinished=False)
    (run,) = reticent.search_runs()
    assert run.health.state == "degraded"


KILLED = """
import os, sys
sys.path.insert(0, sys.argv[1])
from test_past_runs import OLD, Point, START, one
from reticent.importing import bring_in
from reticent.sessions import current
def points():
    for step in range(20_000):
        if step % 1000 == 0:
            os.write(1, b".")
        yield Point("loss", 1.0, step, START)
bring_in(current(), "elsewhere", [one(id=str(n), points=points) for n in range(3)], unfinished=False)
"""


@pytest.mark.parametrize("moment", [1, 15, 25, 45, 59])
def test_killed_it_leaves_whole_runs_only(moment: int, root: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(Path(__file__).parent)],
        stdout=subprocess.PIPE,
        env={**os.environ, "RETICENT_DIR": str(root)},
    )
    assert process.stdout is not None
    for _ in range(moment):
        assert process.stdout.read(1)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    runs = reticent.search_runs()
    assert len(runs) >= (moment - 1) // 20  # it may have come further before the signal did
    assert {run.status for run in runs} <= {RunStatus.FAILED}
    assert all(run.metric_summary("loss").count == 20_000 for run in runs)
    counts = bring_in(current(), "elsewhere", [one(id=str(n)) for n in range(3)], unfinished=False)
    assert (counts.known, len(counts.new)) == (len(runs), 3 - len(runs))
    assert list((root / "moving").iterdir()) == []
