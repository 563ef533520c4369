"""`kill -9` at any moment: every log call that had returned is in the run log, checked against acknowledgements."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from tests.fault.conftest import Start

import reticent
from reticent.records import RunStatus

KILLS = 50

# Each call is acknowledged on a pipe after it has returned; the first line says that the loop has begun.
LOOP = """
import os, sys
import reticent
run = reticent.start_run("loop", run_id="killed")
os.write(1, b"begun\\n")
for step in range(10_000_000):
    reticent.log_metric("loss", step * 0.5, step=step)
    os.write(1, b"m%d\\n" % step)
    if step % 7 == 0:
        reticent.log_param(f"p{step}", step)
        os.write(1, b"p%d\\n" % step)
    if step % 50 == 0:
        reticent.log_text(f"text {step}", f"notes/{step}.txt")
        os.write(1, b"t%d\\n" % step)
"""


@pytest.mark.parametrize("part", range(5))
def test_every_returned_call_is_there_after_kill_9(part: int, root: Path) -> None:
    chance = random.Random(part)
    for _ in range(KILLS // 5):
        kill_after(root, chance.randrange(1, 4000))


def kill_after(root: Path, acknowledgements: int) -> None:
    environment = {**os.environ, "RETICENT_DIR": str(root), "RETICENT_BACKENDS": ""}
    process = subprocess.Popen([sys.executable, "-c", LOOP], stdout=subprocess.PIPE, env=environment)
    assert process.stdout is not None
    received = b""
    while received.count(b"\n") < acknowledgements:
        received += os.read(process.stdout.fileno(), 1 << 16)
    process.send_signal(signal.SIGKILL)
    received += process.stdout.read()
    process.stdout.close()
    process.wait()
    lines = received.decode().split("\n")
    acknowledged = {line for line in lines[:-1] if line != "begun"} | {lines[-1]} - {""}
    steps, params, texts = logged(root / "runs" / "killed")
    for line in acknowledged:
        number = int(line[1:] or -1)
        assert line[0] != "m" or number in steps
        assert line[0] != "p" or f"p{number}" in params
        assert line[0] != "t" or f"notes/{number}.txt" in texts
    assert steps == set(range(len(steps)))
    for file in (root / "runs" / "killed").rglob("*"):
        if file.is_file():
            file.unlink()


def logged(directory: Path) -> tuple[set[int], set[str], set[str]]:
    from reticent.records import Artifact, Param
    from reticent.runlog import RunReader

    reader = RunReader(directory)
    steps: set[int] = set()
    params: set[str] = set()
    texts: set[str] = set()
    while True:
        entries, blocks = reader.read()
        if not entries and not blocks:
            break
        for block in blocks:
            for metric in block:
                assert (metric.key, metric.value) == ("loss", metric.step * 0.5)
                steps.add(metric.step)
        for entry in entries:
            if isinstance(entry.record, Param):
                params.add(entry.record.key)
            elif isinstance(entry.record, Artifact):
                assert (directory / "artifacts" / entry.record.path).stat().st_size == entry.record.size
                texts.add(entry.record.path)
    assert reader.finished()
    assert [skipped for skipped in reader.skipped if skipped.reason != "torn last line"] == []
    return steps, params, texts


def test_a_run_whose_process_vanished_is_crashed_and_whole(root: Path, start: Start) -> None:
    process = start("""
        import reticent, time
        run = reticent.start_run("gone", run_id="gone")
        reticent.log_metric("loss", 0.25, step=1)
        reticent.log_artifact(__file__)
        ready()
        time.sleep(60)
    """)
    process.kill()
    process.wait()
    run = reticent.get_run("gone")
    assert run.status is RunStatus.CRASHED
    assert run.metrics == {"loss": 0.25}
    assert [artifact.path for artifact in run.artifacts()] == ["script.py"]
    assert not any((root / "runs" / "gone" / "staging").iterdir())


def test_what_was_about_to_be_removed_is_not_there_after_kill_9(root: Path, start: Start) -> None:
    process = start("""
        import os, reticent, threading, time
        from pathlib import Path
        from reticent import recovery, sessions
        os.chdir(Path(__file__).parent)
        run = reticent.start_run("gone", run_id="gone")
        for name in ("old.txt", "new.txt"):
            Path(name).write_text(name)
        run.log_artifact("old.txt", "step_1")
        run.log_artifact("old.txt", "step_2")
        assert reticent.flush(20)
        publish, sealed, removed, told = recovery.publish, threading.Event(), threading.Event(), threading.Event()
        def slowly(*arguments):
            records = publish(*arguments)
            sealed.set()
            removed.wait()
            return records
        recovery.publish = slowly
        run.log_artifact("new.txt", "step_3")
        sealed.wait()
        sessions.current().background.submit("after it", lambda: told.set() or time.sleep(60), print)
        for step in ("step_1", "step_2", "step_3"):
            run.remove_artifact(step)
        run.log_artifact("new.txt", "step_2")
        removed.set()
        told.wait()
        ready()
        time.sleep(60)
    """)
    process.kill()
    process.wait()
    run = reticent.get_run("gone")
    artifacts = root / "runs" / "gone" / "artifacts"
    there = sorted(path.relative_to(artifacts).as_posix() for path in artifacts.rglob("*") if path.is_file())
    assert there == [artifact.path for artifact in run.artifacts()] == ["step_2/new.txt"]
    assert run.artifact_path("step_2/new.txt").read_text() == "new.txt"


def test_the_process_that_draws_does_not_outlive_this_one(root: Path, start: Start) -> None:
    process = start(
        """
        import reticent, sys, time
        from reticent.sessions import current
        from reticent_integrations.sklearn import drawing
        with reticent.start_run("r") as run:
            run.log_picture(drawing.confusion, {"labels": ["a"], "matrix": [[1]]}, "a.png")
            assert reticent.flush(60)
            print(current().aside._child._process.pid, flush=True)
            time.sleep(60)
    """,
        wait=False,
    )
    assert process.stdout is not None
    child = psutil.Process(int(process.stdout.readline()))
    process.kill()
    process.wait(20)
    child.wait(20)


def test_what_a_process_that_was_killed_while_it_delivered_had_left_is_delivered(root: Path, start: Start) -> None:
    """Killed at each of the steps by which the progress of a delivery is kept, one process after the other."""
    code = """
        import os, signal, sys
        import reticent
        calls, last = 0, int(sys.argv[1])
        for name in ("replace", "utime"):
            def call(path, *args, _call=getattr(os, name), **kwargs):
                global calls
                if "delivery" in str(path):
                    calls += 1
                    if calls == last:
                        os.kill(os.getpid(), signal.SIGKILL)
                result = _call(path, *args, **kwargs)
                return result
            setattr(os, name, call)
        with reticent.start_run(run_id=f"r{last}"):
            reticent.log_metric("m", 1.0)
            reticent.flush(60)
            reticent.log_metric("m", 2.0)
        reticent.flush(60)
        print(calls)
    """
    killed, steps = 0, 99
    for last in range(1, 100):
        if last > steps:
            break
        process = start(code.replace("sys.argv[1]", str(last)), wait=False)
        output, _ = process.communicate(timeout=60)
        killed += process.returncode == -signal.SIGKILL
        steps = min(steps, int(output)) if output else steps
    assert killed >= 4
    runs = {run.run_id: run for run in reticent.search_runs()}
    for run_id, run in runs.items():
        assert run.status is not RunStatus.RUNNING, run_id
        assert len(run.metric_history("m")) == run.metrics["m"], run_id


def test_the_candidates_of_a_search_are_there_after_kill_9(root: Path, start: Start) -> None:
    """Those whose last fit has ended, though the next one ends the process at once."""
    process = start(
        """
        import os, signal
        import reticent
        reticent.autolog()
        import numpy
        from sklearn.base import BaseEstimator
        from sklearn.model_selection import GridSearchCV

        class Dying(BaseEstimator):
            def __init__(self, number=0):
                self.number = number
            def fit(self, X, y):
                if self.number == 5:
                    os.kill(os.getpid(), signal.SIGKILL)
            def score(self, X, y):
                return self.number / 10

        GridSearchCV(Dying(), {"number": [1, 2, 3, 4, 5]}, cv=2).fit(numpy.zeros((8, 2)), numpy.zeros(8))
        """,
        wait=False,
    )
    assert process.communicate(timeout=120)[1] == ""
    assert process.returncode == -signal.SIGKILL
    reticent.start_run("next").end()
    assert reticent.flush(60)
    (search,) = reticent.search_runs("tags.estimator_name = 'GridSearchCV'")
    assert search.status is RunStatus.CRASHED
    children = reticent.search_runs(f"parent_run_id = '{search.run_id}'")
    assert {child.status for child in children} == {RunStatus.FINISHED}
    scores = {int(child.params["number"]): child.metrics["mean_test_score"] for child in children}
    assert scores == {1: 0.1, 2: 0.2, 3: 0.3, 4: 0.4}
