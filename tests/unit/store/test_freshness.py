"""What a reader is shown is what the run logs hold at that moment, of one run or of many, whoever has written it."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies

import reticent
from reticent import sessions, store
from reticent.backends.sqlite import schema
from reticent.records import Param
from reticent.run import Run
from reticent.runlog import LogWriter
from reticent.store import get_run, search_runs
from reticent.testing import isolated


def stored_runs(root: Path) -> set[str]:
    with closing(sqlite3.connect(schema.database_path(root))) as connection:
        return {run_id for (run_id,) in connection.execute("SELECT run_id FROM run")}


def append_as_another(run: Path, key: str) -> None:
    """Log a param as one more process of a run would."""
    seal = sessions.current().seal
    writer = LogWriter(run, sessions.current().host)
    writer.append(Param(time=time.time(), key=seal("test", key), value=seal("test", "late"), origin=None))
    writer.close()


def look(run_id: str) -> dict[str, str]:
    """The params of a run, by both ways of reading, one of which looks at no other run."""
    one = get_run(run_id).params
    (among,) = (run.params for run in search_runs(max_results=None) if run.run_id == run_id)
    assert one == among
    return one


def test_a_query_for_one_run_looks_at_no_other_one(root: Path) -> None:
    runs = []
    for number in range(3):
        with reticent.start_run() as run:
            run.log_param("number", number)
        runs.append(run.run_id)
    assert get_run(runs[1]).params["number"] == "1"
    assert stored_runs(root) == {runs[1]}
    assert get_run(runs[0][:12]).run_id == runs[0]  # of a beginning it takes all to know whether it is one run's
    assert stored_runs(root) == set(runs)


def test_children_that_were_not_looked_at_are_counted_when_they_are_asked_for(root: Path) -> None:
    with reticent.start_run("outer") as outer:
        pass
    stored = get_run(outer.run_id)
    assert stored.child_count == 0
    with reticent.start_run("inner", parent_run_id=outer.run_id) as inner:
        pass
    assert stored.child_count == 1
    assert get_run(outer.run_id).child_count == 1
    with reticent.start_run("another", parent_run_id=outer.run_id) as another:
        pass
    assert [run.run_id for run in get_run(outer.run_id).children()] == [inner.run_id, another.run_id]


@pytest.mark.parametrize("changed", [0, time.time_ns() + 3600 * 10**9], ids=["none", "in the future"])
def test_a_record_is_seen_that_leaves_the_time_of_its_run_as_it_was(root: Path, changed: int) -> None:
    """As by a file system whose clock stands, or is coarse, or a copy that keeps times."""
    with reticent.start_run() as run:
        pass
    for key in ("first", "second"):
        os.utime(run.directory, ns=(changed, changed))
        look(run.run_id)
        append_as_another(run.directory, key)
        os.utime(run.directory, ns=(changed, changed))
        assert look(run.run_id)[key] == "late"


def test_late_records_in_old_files_are_seen(root: Path) -> None:
    with reticent.start_run() as run:
        run.log_param("first", "here")
    for key in ("second", "third"):
        assert reticent.flush()  # the file is closed
        earlier = time.time_ns() - 10**8
        os.utime(run.directory, ns=(earlier, earlier))
        assert key not in look(run.run_id)
        run.log_param(key, "here")
        assert look(run.run_id)[key] == "here"


def test_what_has_arrived_whole_is_not_read_again(root: Path) -> None:
    with reticent.start_run() as run:
        pass
    earlier = time.time_ns() - 10**8
    os.utime(run.directory, ns=(earlier, earlier))
    search_runs()
    assert sessions.current().sender("sqlite").outstanding() == []


def test_where_entries_cannot_be_looked_up_in_an_open_directory(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "supports_dir_fd", set[Callable[..., object]]())
    with reticent.start_run() as run:
        run.log_param("lr", "0.1")
    assert [run.params["lr"] for run in search_runs()] == ["0.1"]


STEPS = strategies.lists(
    strategies.tuples(
        strategies.sampled_from(["start", "end", "log", "another", "one", "all", "copy", "forget", "reindex"]),
        strategies.integers(0, 4),
    ),
    min_size=5,
    max_size=30,
)


@given(STEPS)
@settings(max_examples=20)
def test_nothing_is_stale_whatever_came_before(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    place = tmp_path_factory.mktemp("roots")
    logged: dict[str, dict[str, str]] = {}
    copies: dict[Path, dict[str, dict[str, str]]] = {}
    with isolated(place / "root", backends="") as root:
        runs: list[Run] = []
        for number, (step, which) in enumerate(steps):
            key = f"p{number}"
            if step == "start" or not runs:
                runs.append(reticent.start_run(nested=False))
                logged[runs[-1].run_id] = {}
                continue
            run = runs[which % len(runs)]
            if step == "end":
                run.end()
                reticent.flush()
            elif step == "log":  # late, if it has ended: its old file is opened again
                run.log_param(key, "late")
                logged[run.run_id][key] = "late"
            elif step == "another":
                append_as_another(run.directory, key)
                logged[run.run_id][key] = "late"
            elif step == "one":
                assert get_run(run.run_id).params == logged[run.run_id]
            elif step == "all":
                assert {one.run_id: one.params for one in search_runs()} == logged
            elif step == "copy":
                copy = place / f"copy-{number}"
                shutil.copytree(root, copy)  # with the times of files and directories
                copies[copy] = {run_id: dict(params) for run_id, params in logged.items()}
            elif step == "forget":
                sessions.current().sender("sqlite").close()
                store._shared = None
            else:
                store.reindex()
        check(logged)
    for copy, expected in copies.items():
        with isolated(copy, backends=""):
            check(expected)
            run_id = next(iter(expected))
            append_as_another(copy / "runs" / run_id, "in the copy")
            expected[run_id]["in the copy"] = "late"
            check(expected)


def check(logged: dict[str, dict[str, str]]) -> None:
    for run_id, params in logged.items():
        assert get_run(run_id).params == params
    assert {one.run_id: one.params for one in search_runs()} == logged


DYING = """
import os, signal
from reticent.progress import ProgressFiles
settle = ProgressFiles.settle
def dying(self, run_id, seen):
    if {after}:
        settle(self, run_id, seen)
    os.kill(os.getpid(), signal.SIGKILL)
ProgressFiles.settle = dying
import reticent
with reticent.start_run("killed", run_id="killed") as run:
    run.log_param("first", "late")
reticent.get_run("killed")
"""


@pytest.mark.parametrize("after", [False, True])
def test_kill_when_all_has_arrived(root: Path, after: bool) -> None:
    killed = subprocess.run([sys.executable, "-c", DYING.format(after=after)], capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert look("killed") == {"first": "late"}
    append_as_another(root / "runs" / "killed", "second")
    assert look("killed") == {"first": "late", "second": "late"}


WRITING = """
import reticent, sys
for line in sys.stdin:
    with reticent.start_run(run_id=line.strip()) as run:
        run.log_param("of", line.strip())
    run.log_param("late", "late")  # in an old file
    print("done", flush=True)
"""


def test_what_processes_write_in_turn_is_seen_at_once(root: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for number in range(20):
        writer, run_id = writers[number % 2], f"run-{number // 2}"  # both write to each run, one after the other
        assert writer.stdin is not None
        assert writer.stdout is not None
        writer.stdin.write(f"{run_id}\n")
        writer.stdin.flush()
        assert writer.stdout.readline() == "done\n"
        assert look(run_id) == {"of": run_id, "late": "late"}
        assert len(search_runs()) == number // 2 + 1
    for writer in writers:
        assert writer.communicate()[0] == ""
        assert writer.returncode == 0
