"""A clock that is set an hour back and forth holds up no delivery and no exit, and leaves every run as it was logged."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.fault.conftest import Start

import reticent
from reticent.records import RunStatus
from reticent.runlog import RunReader

HOUR = 3600
LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)

needs_faketime = pytest.mark.skipif(LIBRARY is None, reason="libfaketime is not installed: apt-get install faketime")


@pytest.fixture
def clock(tmp_path: Path) -> dict[str, str]:
    """The environment in which a process has a clock of its own, which goes as many seconds ahead as the file says that
    FAKETIME_TIMESTAMP_FILE names."""
    (tmp_path / "clock").write_text("+0")
    return {
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME_TIMESTAMP_FILE": str(tmp_path / "clock"),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",  # what it makes of files' times is no time
    }


TRAINING = """
    import json, os, sys, time
    import reticent

    times = []
    def train(steps):
        for step in steps:
            before = time.time()
            reticent.log_metric("loss", 1 / (step + 1), step=step)
            times.append((before, time.time()))
        reticent.set_tag("reached", steps.stop)
        reticent.log_text(f"at {steps.stop}", "notes.txt")
        assert reticent.flush(60), "nothing is delivered by this clock"

    def set_clock(seconds):
        real = time.time()
        with open(os.environ["FAKETIME_TIMESTAMP_FILE"], "w") as file:
            file.write(f"{seconds:+d}")
        while abs(time.time() - real) < 1800:
            pass  # libfaketime now and then gives the former time while another thread asks it

    with reticent.start_run("r", run_id="r") as run:
        train(range(0, 500))
        set_clock(-3600)
        train(range(500, 1000))
        set_clock(+3600)
        train(range(1000, 1500))
        set_clock(-3600)
        run.remove_artifact("notes.txt")
        train(range(1500, 2000))
    print(json.dumps(times))
    sys.exit(3)
"""


@needs_faketime
def test_a_training_whose_clock_jumps(root: Path, tmp_path: Path, start: Start, clock: dict[str, str]) -> None:
    backends = f"sqlite,jsonl://{tmp_path / 'jsonl'}"
    training = start(TRAINING, wait=False, RETICENT_BACKENDS=backends, **clock)
    output, errors = training.communicate(timeout=120)
    assert (training.returncode, errors) == (3, "")
    times = json.loads(output)
    points = [point for block in RunReader(root / "runs" / "r").read()[1] for point in block]
    assert [point.step for point in points] == list(range(2000))
    by_clock = [before <= point.time <= after for point, (before, after) in zip(points, times, strict=True)]
    assert sum(by_clock) >= 1980, "all but those for which libfaketime gave the former time"
    # Another process, which is right about the time, delivers the run to a store that has not got it.
    reticent.configure(backends=["sqlite", f"jsonl://{tmp_path / 'later'}"])
    assert not any(one.error for one in reticent.sync().values())
    run = reticent.get_run("r")
    assert run.status is RunStatus.FINISHED
    assert run.tags["reached"] == "2000"
    assert run.artifact_path("notes.txt").read_text() == "at 2000"
    assert [point.step for point in run.metric_history("loss")] == list(range(2000))
    for store in ("jsonl", "later"):
        records = [json.loads(line) for line in (tmp_path / store / "r" / "runs.jsonl").read_text().splitlines()]
        assert [one["status"] for one in records if "status" in one] == ["FINISHED"]
        points = [json.loads(line) for line in (tmp_path / store / "r" / "metrics.jsonl").read_text().splitlines()]
        assert [one["step"] for one in points] == list(range(2000))


SET_BACK = """
    import json, os, time
    from reticent import clock

    def set_clock(seconds):
        with open(os.environ["FAKETIME_TIMESTAMP_FILE"], "w") as file:
            file.write(f"{seconds:+.1f}")

    def look(seconds):
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            looks.append((time.time(), clock.now(), time.time(), time.monotonic()))

    phases = []
    for ahead, seconds in ((0.0, 0.3), (-3600.0, 1.0), (-0.3, 3.5)):
        looks = []
        set_clock(ahead)
        look(seconds)
        phases.append((looks[0], looks[len(looks) // 2], looks[-1]))
        assert all(one[1] < other[1] for one, other in zip(looks, looks[1:]))
    print(json.dumps(phases))
"""


@needs_faketime
def test_times_go_on_where_the_clock_was_set_back_and_come_back_to_it(
    root: Path, start: Start, clock: dict[str, str]
) -> None:
    training = start(SET_BACK, wait=False, **clock)
    output, errors = training.communicate(timeout=120)
    assert (training.returncode, errors) == (0, "")
    right, back, after = json.loads(output)
    for before, now, behind, _ in [*right, after[-1]]:
        assert before <= now <= behind, "where the clock is right, or has caught up, it is the clock's time"
    (_, first, _, began), _, (_, last, wall, ended) = back
    assert last - wall > 3000, "the clock was set back"
    assert 0.85 * (began - right[-1][3]) - 0.1 < first - right[-1][1] < began - right[-1][3] + 0.1, "no jump"
    assert last - first == pytest.approx(ended - began, rel=0.15), "about as much later as it is"
    assert after[0][1] > last
    assert after[0][1] > after[0][2], "still ahead of the clock, which is nearly right now"


@needs_faketime
def test_the_exit_has_its_deadline_by_another_clock(
    root: Path, tmp_path: Path, start: Start, clock: dict[str, str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it takes connections, and says nothing
        training = start(
            """
            import atexit, reticent, sys
            with reticent.start_run("r", run_id="r"):
                reticent.log_metric("loss", 0.5)
            atexit.register(ready)
            """,
            RETICENT_BACKENDS=f"mlflow+http://127.0.0.1:{silent.getsockname()[1]}",
            RETICENT_EXIT_TIMEOUT_S="2",
            **clock,
        )
        (tmp_path / "clock").write_text(f"-{HOUR}")
        began = time.monotonic()
        _, errors = training.communicate(timeout=120)
        assert training.returncode == 0
        assert "not all delivered in time to mlflow" in errors
        assert time.monotonic() - began < 2 + 5 + 20  # the deadline, and a busy machine


MOUNTED = 'mount --bind "$0" /proc/stat && exec env $CLOCK "$@"'


@needs_faketime
def test_a_live_run_is_none_of_the_dead_by_another_clock(
    root: Path, tmp_path: Path, start: Start, clock: dict[str, str]
) -> None:
    """One who reads after the clock was set is told another time at which the machine was started."""
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
        pytest.skip("needs the right to mount over a file (root)")
    living = start("import reticent\nrun = reticent.start_run('r', run_id='r')\nready()\nsleep()")
    for ahead in (HOUR, -HOUR):
        lines = Path("/proc/stat").read_text().splitlines()
        moved = [f"btime {int(line.split()[1]) + ahead}" if line.startswith("btime") else line for line in lines]
        (tmp_path / "stat").write_text("\n".join(moved) + "\n")
        (tmp_path / "clock").write_text(f"{ahead:+d}")
        asked = subprocess.run(
            [
                *("unshare", "--mount", "sh", "-c", MOUNTED, tmp_path / "stat"),
                *(sys.executable, "-c", "import reticent; print(reticent.get_run('r').status.value)"),
            ],
            capture_output=True,
            text=True,
            env={**os.environ, "RETICENT_DIR": str(root), "CLOCK": " ".join(f"{k}={v}" for k, v in clock.items())},
            timeout=120,
        )
        assert (asked.stdout, asked.stderr) == ("RUNNING\n", "")
    living.kill()
    living.wait()
    assert reticent.get_run("r").status is RunStatus.CRASHED


def test_what_comes_after_the_clock_was_set_back_is_delivered(root: Path, tmp_path: Path) -> None:
    store = tmp_path / "jsonl"
    with reticent.start_run("r", run_id="r"):
        reticent.log_param("before", 1)
    assert reticent.sync([f"jsonl://{store}"])[f"jsonl://{store}"].records
    ahead = time.time() + HOUR
    for path in [root / "runs" / "r", *root.glob("delivery/*/r.json")]:
        os.utime(path, (ahead, ahead))  # as if all this had been an hour from now
    with reticent.start_run(run_id="r"):
        reticent.log_param("after", 1)
    assert reticent.sync([f"jsonl://{store}"])[f"jsonl://{store}"].records
    assert any('"after"' in path.read_text() for path in (store / "r").glob("*.jsonl"))
