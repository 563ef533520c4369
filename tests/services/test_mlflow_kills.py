"""`kill -9` of trainings that deliver to an MLflow server, and of a courier, at random moments: all is there, once."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import reticent
from reticent.testing import isolated

from .diff import Log, differences
from .faults import FaultyProxy

TRAININGS = 100
POINTS = 200

# Forks trainings from a process that has imported everything, eight at a time, and kills each one so many seconds after so
# many of its calls have returned. A training notes each of these by a line of four bytes.
FORKS = """
    import json, os, signal, sys, time
    import requests, reticent, reticent.backends.mlflow.backend, concurrent.futures.thread

    notes, points, deaths = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])

    def train(run_id, noted):
        with reticent.start_run(run_id=run_id, experiment="killed"):
            reticent.log_param("lr", 0.1)
            for step in range(points):
                reticent.log_metric("loss", 1 / (step + 1), step=step)
                os.write(noted, b"%03d\\n" % step)
                if step % 40 == 0:
                    reticent.log_param(f"p{step}", step)
                if step == points // 2:
                    reticent.log_text("half-way", "notes/half.txt")
                time.sleep(0.002)

    living, killed = {}, 0
    while deaths or living:
        while deaths and len(living) < 8:
            run_id, calls, later = deaths.pop()
            noted = os.open(f"{notes}/{run_id}", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
            pid = os.fork()
            if pid == 0:
                living = deaths = []
                train(run_id, noted)
                sys.exit(0)
            living[pid] = noted, calls, later, None
        for pid, (noted, calls, later, reached) in list(living.items()):
            if reached is None and os.fstat(noted).st_size >= 4 * calls:
                living[pid] = noted, calls, later, reached = noted, calls, later, time.monotonic()
            if reached is not None and time.monotonic() - reached >= later:
                os.kill(pid, signal.SIGKILL)
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                killed += os.waitstatus_to_exitcode(status) == -signal.SIGKILL
                os.close(noted)
                del living[pid]
        time.sleep(0.002)
    print(killed)
"""


def test_trainings_that_are_killed_at_random_moments(tmp_path: Path, mlflow_url: str) -> None:
    chance = random.Random(1)
    # A tenth has not begun its loop, two tenths have ended it and deliver what is left.
    moments = [chance.uniform(-0.1, 1.2) for _ in range(TRAININGS)]
    deaths = [
        (
            os.urandom(16).hex(),
            round(POINTS * min(max(one, 0), 1)),
            chance.uniform(0, 0.1) + (one > 1) * chance.random(),
        )
        for one in moments
    ]
    root, notes, script = tmp_path / "root", tmp_path / "notes", tmp_path / "forks.py"
    notes.mkdir()
    script.write_text(textwrap.dedent(FORKS))
    environment = {
        **os.environ,
        "RETICENT_DIR": str(root),
        "RETICENT_BACKENDS": f"mlflow+{mlflow_url}",
        "RETICENT_DELIVER_S": "0.1",
        "RETICENT_BATCH_RECORDS": "50",
        "RETICENT_CAPTURE": '{"git": false, "system_s": 0}',
    }
    forked = run(environment, str(script), str(notes), str(POINTS), json.dumps(deaths))
    assert forked.returncode == 0, forked.stderr
    assert int(forked.stdout) > 0.8 * TRAININGS, "the others had ended before"
    assert "Traceback" not in forked.stderr, forked.stderr
    synced = run(environment, "-m", "reticent.cli", "sync")
    assert synced.returncode == 0, synced.stdout + synced.stderr

    begun, wrong = 0, {}
    for run_id, _, _ in deaths:
        noted = (notes / run_id).stat().st_size // 4
        directory = root / "runs" / run_id
        if not directory.is_dir() or not any(directory.iterdir()):  # killed before its beginning was in its log
            assert noted == 0
            continue
        begun += 1
        unlogged = set(range(noted)) - {step for key, step, _, _ in Log(root, run_id).points if key == "loss"}
        if found := [f"point {step} is not in the run log" for step in unlogged] or differences(
            root, run_id, mlflow_url
        ):
            wrong[run_id] = found
    assert wrong == {}
    assert begun > 0.8 * TRAININGS


def test_a_courier_that_is_killed_at_random_moments(tmp_path: Path, mlflow_url: str) -> None:
    chance = random.Random(2)
    root = tmp_path / "root"
    with isolated(root):
        run_ids = [whole_run() for _ in range(4)]
    with FaultyProxy(mlflow_url) as proxy:
        for _ in range(12):
            with courier(root, proxy):
                wanted = len(proxy.requests) + chance.randrange(1, 12)
                until(lambda wanted=wanted: len(proxy.requests) >= wanted)
                time.sleep(chance.uniform(0, 0.02))
        before = sum(bool(differences(root, run_id, mlflow_url)) for run_id in run_ids)
        assert before, "all had arrived before the last kill"
        with courier(root, proxy):
            until(lambda: not any(differences(root, run_id, mlflow_url) for run_id in run_ids))


def whole_run() -> str:
    with reticent.start_run("left", experiment="killed") as run:
        reticent.log_param("lr", 0.1)
        for step in range(3000):
            reticent.log_metric("loss", 1 / (step + 1), step=step)
        reticent.log_text("some text", "notes/a.txt")
    return run.run_id


@contextmanager
def courier(root: Path, proxy: FaultyProxy) -> Iterator[None]:
    """One that serves a root until it is killed."""
    environment = {
        "RETICENT_DIR": str(root),
        "RETICENT_BACKENDS": f"mlflow+{proxy.url}",
        "RETICENT_BATCH_RECORDS": "100",
    }
    command = [sys.executable, "-m", "reticent.cli", "courier"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, **environment})
    try:
        yield
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=280)
