"""A courier delivers what trainings leave to it, is missed when it dies, and brings nothing twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.fault.conftest import Start

import reticent
from reticent import couriers

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

SLOW = """
import json, os, time
from pathlib import Path
from reticent.backends.jsonl import JsonLinesBackend

class Slow(JsonLinesBackend):
    def write(self, batch):
        if os.path.exists(os.environ["SLOW_GATE"]):
            raise OSError("the gate is shut for ghp_" + "a1B2" * 9)
        time.sleep(float(os.environ.get("SLOW_S", "0")))
        with open(os.environ["SLOW_LOG"], "a") as file:
            file.write(f"{os.getpid()}\\n")
        return super().write(batch)
"""
POINTS = 2000
TRAINING = """
    import os, reticent, time
    reticent.configure(capture={"git": False, "system_s": 0}, batch_records=100)
    with reticent.start_run("r", run_id="r"):
        for step in range(2000):
            reticent.log_metric("loss", 0.5, step=step)
        reticent.log_text("hello", "a.txt")
        if "GO" in os.environ:
            ready()
            while not os.path.exists(os.environ["GO"]):
                time.sleep(0.01)
    began = time.monotonic()
    handed_over = reticent.flush()
    print(handed_over, time.monotonic() - began)
"""
Courier = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def slow(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place where the backend `slow`, installed as a third party's is, keeps what it gets."""
    metadata = tmp_path / "slow-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: slow\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[reticent.backends]\nslow = slowbackend:Slow\n")
    (tmp_path / "slowbackend.py").write_text(SLOW)
    store = tmp_path / "slow"
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, sys.path)]))
    monkeypatch.setenv("SLOW_GATE", str(tmp_path / "gate"))
    monkeypatch.setenv("SLOW_LOG", str(tmp_path / "writes"))
    monkeypatch.setenv("RETICENT_BACKENDS", f"slow://{store},jsonl://{tmp_path / 'jsonl'}")
    monkeypatch.setenv("RETICENT_BATCH_RECORDS", "100")
    return store


@pytest.fixture
def courier(root: Path) -> Iterator[Courier]:
    """`courier()` starts one on the test's root, or on those given, and returns when it has announced itself."""
    started: list[subprocess.Popen[str]] = []

    def begin(*roots: Path, **environment: str) -> subprocess.Popen[str]:
        for place in roots or (root,):
            (place / "runs").mkdir(parents=True, exist_ok=True)
        process = subprocess.Popen(
            [sys.executable, "-m", "reticent.cli", "courier", *[f"--root={one}" for one in roots]],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "RETICENT_DIR": str(root), **environment},
        )
        started.append(process)
        for _ in roots or (root,):
            assert process.stdout is not None
            line = process.stdout.readline()
            assert "delivers to" in line, (line, process.stderr and process.stderr.read())
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def until_complete(process: subprocess.Popen[str], run_id: str, backends: int) -> None:
    """Read the courier's lines until so many backends have the run whole."""
    assert process.stdout is not None
    for _ in range(backends):
        line = process.stdout.readline()
        while not (f"  {run_id}  " in line and line.endswith("complete\n")):
            assert line
            line = process.stdout.readline()


def assert_exactly_once(store: Path, run_id: str = "r", points: int = POINTS) -> None:
    lines = [json.loads(line) for line in (store / run_id / "metrics.jsonl").read_text().splitlines()]
    steps = Counter(line["step"] for line in lines)
    assert steps == Counter(range(points))
    kinds = [json.loads(line) for line in (store / run_id / "runs.jsonl").read_text().splitlines()]
    assert [line["status"] for line in kinds if "status" in line] == ["FINISHED"]
    assert (store / run_id / "artifacts" / "a.txt").read_text() == "hello"


def writers(slow: Path) -> set[int]:
    """The processes that have written to the slow backend."""
    path = slow.parent / "writes"
    return {int(line) for line in path.read_text().splitlines()} if path.exists() else set()


def test_a_training_ends_at_once_and_everything_arrives(courier: Courier, slow: Path, start: Start) -> None:
    living = courier(SLOW_S="0.2")
    training = start(TRAINING, wait=False)
    output, errors = training.communicate(timeout=60)
    assert errors == ""
    handed_over, seconds = output.split()
    assert handed_over == "True"
    assert float(seconds) < 1  # delivering takes 20 writes of 0.2 s
    assert len(list((slow.parent / "root" / "runs" / "r").glob("*.events"))) >= 1
    until_complete(living, "r", 2)
    for store in (slow, slow.parent / "jsonl"):
        assert_exactly_once(store)
    assert writers(slow) == {living.pid}  # the training itself has delivered nothing
    while {one.state for one in reticent.get_run("r").deliveries() if one.backend != "sqlite"} != {"complete"}:
        time.sleep(0.05)  # of each backend's end the other one is told as well
    living.send_signal(signal.SIGTERM)
    output, errors = living.communicate(timeout=60)
    assert (living.returncode, errors) == (0, "")
    assert output.splitlines()[-1].endswith("  stopped")
    assert couriers.announced(slow.parent / "root") is None


def test_killed_in_the_middle_and_started_again(courier: Courier, slow: Path, start: Start) -> None:
    for attempt in range(4):
        living = courier(SLOW_S="0.05")
        if attempt == 0:
            start(TRAINING, wait=False).communicate(timeout=60)
        before = lines_of(slow)
        while attempt < 3 and lines_of(slow) < before + 3:
            assert living.poll() is None
            time.sleep(0.005)
        if attempt < 3:
            living.kill()
            living.wait(60)
    assert lines_of(slow) < POINTS // 100 or len(writers(slow)) > 1
    until_complete(living, "r", 1)
    assert_exactly_once(slow)
    assert_exactly_once(slow.parent / "jsonl")


def lines_of(slow: Path) -> int:
    """How many writes there were."""
    path = slow.parent / "writes"
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_a_training_whose_courier_dies_delivers_by_itself(
    courier: Courier, slow: Path, root: Path, start: Start
) -> None:
    living = courier()
    training = start(TRAINING, GO=str(root.parent / "go"))
    (root.parent / "gate").touch()  # what the courier has not got by now it will not get
    living.kill()
    living.wait(60)
    (root.parent / "gate").unlink()
    (root.parent / "go").touch()
    output, errors = training.communicate(timeout=60)
    assert (output.split()[0], errors) == ("True", "")
    assert training.pid in writers(slow)
    assert_exactly_once(slow)
    assert reticent.get_run("r").health.state == "ok"


def test_what_a_dead_courier_left_goes_with_the_next_process(
    courier: Courier, slow: Path, root: Path, start: Start
) -> None:
    (root.parent / "gate").touch()
    living = courier()
    start(TRAINING, wait=False).communicate(timeout=60)
    assert living.stdout is not None
    while "OSError: the gate is shut for [REDACTED" not in (line := living.stdout.readline()):
        assert line
    while not (told := couriers.announced(root)) or not told.errors:
        time.sleep(0.05)
    assert "the gate is shut for [REDACTED" in told.errors[f"slow://{slow}"]
    living.kill()
    living.wait(60)
    (root.parent / "gate").unlink()
    assert couriers.announced(root) is not None
    assert couriers.living(root) is None
    start("import reticent\nreticent.start_run(run_id='next').end()", wait=False).communicate(timeout=60)
    assert_exactly_once(slow)


def test_a_courier_that_comes_later_takes_over(courier: Courier, slow: Path, root: Path, start: Start) -> None:
    training = start(TRAINING, GO=str(root.parent / "go"), RETICENT_DISK_SYNC_S="0.2", SLOW_S="1")
    living = courier(SLOW_S="0.01")
    until_written_by(slow, living.pid)
    (root.parent / "go").touch()
    output, errors = training.communicate(timeout=60)
    assert (output.split()[0], errors) == ("True", "")
    until_complete(living, "r", 2)
    assert_exactly_once(slow)


def until_written_by(slow: Path, pid: int) -> None:
    while pid not in writers(slow):
        time.sleep(0.01)


def test_two_roots_of_which_one_cannot_be_used(
    courier: Courier, slow: Path, root: Path, tmp_path: Path, start: Start
) -> None:
    project = tmp_path / "project"
    wrong = project / ".reticent"
    wrong.mkdir(parents=True)
    (project / "reticent.toml").write_text("nonsense = 1\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "reticent.cli", "courier", f"--root={wrong}", f"--root={root}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        (root / "runs").mkdir(parents=True, exist_ok=True)
        told = [process.stdout.readline()]
        while not any("delivers to" in line for line in told):
            told.append(process.stdout.readline())
            assert told[-1]
        start(TRAINING, wait=False).communicate(timeout=60)
        until_complete(process, "r", 2)
        assert_exactly_once(slow)
        assert any(f"{wrong}  SettingsError" in line and "nonsense" in line for line in told)
        (project / "reticent.toml").write_text("")
        while f"{wrong}  delivers to" not in (line := process.stdout.readline()):
            assert line
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.communicate()


def test_a_second_courier_waits_until_the_first_has_ended(courier: Courier, slow: Path, root: Path) -> None:
    first = courier()
    second = subprocess.Popen(
        [sys.executable, "-m", "reticent.cli", "courier"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "RETICENT_DIR": str(root)},
    )
    try:
        assert second.stdout is not None
        assert f"another courier serves it (process {first.pid} on " in second.stdout.readline()
        first.send_signal(signal.SIGTERM)
        assert first.wait(60) == 0
        assert "delivers to" in second.stdout.readline()
        found = couriers.living(root)
        assert found is not None
        assert found.pid == second.pid
    finally:
        second.kill()
        second.communicate()


def test_one_with_a_looser_policy_is_not_left_to_it(courier: Courier, slow: Path, root: Path, start: Start) -> None:
    living = courier()
    stricter = TRAINING.replace("batch_records=100", 'redact={"backends": {"slow": {"deny": ["loss"]}}}')
    training = start(stricter, wait=False)
    training.communicate(timeout=60)
    assert training.pid in writers(slow)
    living.send_signal(signal.SIGTERM)
    assert living.wait(60) == 0


def test_sigterm_does_not_wait_for_a_backend_that_hangs(courier: Courier, slow: Path, root: Path, start: Start) -> None:
    living = courier(SLOW_S="600", RETICENT_EXIT_TIMEOUT_S="0.5")
    start(TRAINING, wait=False).communicate(timeout=60)
    until_complete(living, "r", 1)  # the other backend has it
    living.send_signal(signal.SIGTERM)
    began = time.monotonic()
    living.communicate(timeout=60)
    assert living.returncode == 0
    assert time.monotonic() - began < 15
