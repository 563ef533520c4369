"""A program that closes all descriptors, as daemons do, gets our numbers for its own files: they hold what it wrote."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from tests.fault.conftest import Start

import reticent
from reticent.backends.sqlite.stored import StoredRun
from reticent.records import RunStatus

DAEMON = """
    import os, signal, sys, time
    import reticent
    {prelude}
    def log(run, first):
        run.log_param(f"p{{first}}", first)
        for step in range(first, first + 2000):
            reticent.log_metric("fast", float(step), step=step)
        for step in range(50):
            run.log_metric("slow", first + step)
        run.log_metric(f"new {{first}}", 1.0, step=0)
        reticent.log_text(f"text {{first}}", f"{{first}}.txt")
    run = reticent.start_run("r", run_id="r")
    log(run, 0)
    assert reticent.flush(30)
    {fork}
    os.closerange(3, 256)
    files = [open(os.path.join({place!r}, f"{{number}}.txt"), "w+") for number in range(24)]
    for number, file in enumerate(files):
        file.write(f"mine {{number}}")
        file.flush()
    log(run, 2000)
    for _ in range(40):
        for file in files:
            file.write(".")
            file.flush()
        time.sleep(0.01)
    log(run, 4000)
    {ending}
    for file in files:
        file.write("!")
"""


def untouched(place: Path, end: str = "!") -> None:
    for number in range(24):
        assert (place / f"{number}.txt").read_bytes() == f"mine {number}{'.' * 40}{end}".encode()


def complete(run: StoredRun) -> None:
    assert set(run.params) == {"p0", "p2000", "p4000"}
    assert [point.value for point in run.metric_history("fast")] == [float(step) for step in range(6000)]
    assert len(run.metric_history("slow")) == 150
    assert {"new 0", "new 2000", "new 4000"} <= set(run.metrics)
    assert [file.path for file in run.artifacts()] == ["0.txt", "2000.txt", "4000.txt"]
    assert run.warnings() == run.losses() == []


FORK = """
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        os._exit(0)
"""


@pytest.mark.parametrize("mapped", [True, False], ids=["mapped", "appended"])
@pytest.mark.parametrize("fork", ["", FORK], ids=["itself", "forked"])
@pytest.mark.parametrize("ending", ["", "run.end()"], ids=["at exit", "ended"])
def test_files_of_the_program_hold_what_it_wrote(
    mapped: bool, fork: str, ending: str, root: Path, start: Start, tmp_path: Path
) -> None:
    place = tmp_path / "own"
    place.mkdir()
    prelude = "" if mapped else "import reticent.runlog.writer as w; w._may_map = lambda runs: False"
    code = DAEMON.format(prelude=prelude, fork=fork.strip(), place=str(place), ending=ending)
    process = start(code, wait=False, RETICENT_DISK_SYNC_S="0.05", RETICENT_DELIVER_S="0.05")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    untouched(place)
    run = reticent.get_run("r")
    complete(run)
    assert run.status is (RunStatus.CRASHED if fork else RunStatus.FINISHED)


def test_what_is_left_for_the_next_process_holds_up_nobody(root: Path, start: Start) -> None:
    process = start(
        """
        import os, reticent, time
        run = reticent.start_run("r", run_id="r")
        assert reticent.flush(30)
        stored = reticent.get_run("r")
        os.closerange(3, 256)
        run.log_metric("m", 1.0)
        began = time.monotonic()
        assert not reticent.flush(500)
        for read in (stored.artifacts, lambda: reticent.get_run("r")):
            try:
                read()
            except reticent.ReticentError as error:
                assert "has closed file descriptors" in str(error)
            else:
                raise AssertionError(read)
        """,
        wait=False,
        RETICENT_EXIT_TIMEOUT_S="500",
    )
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "the next process or `reticent sync` delivers them" in errors
    assert reticent.get_run("r").metrics == {"m": 1.0}


@pytest.mark.parametrize("renewed", [True, False])
def test_sigterm_leaves_its_mark_in_no_file_but_ours(renewed: bool, root: Path, start: Start, tmp_path: Path) -> None:
    process = start(
        f"""
        import os, reticent, time
        from pathlib import Path
        run = reticent.start_run("r", run_id="r")
        assert reticent.flush(30)  # a thread that is at work on a file would close its number, which is then the script's
        os.closerange(3, 2048)
        files = [open(os.path.join({str(tmp_path)!r}, f"{{number}}.own"), "w") for number in range(40)]
        while {renewed} and not any(int(number) > 900 for number in os.listdir("/proc/self/fd")):
            time.sleep(0.01)  # until it is opened again in the background
        ready()
        time.sleep(60)
        """,
        RETICENT_DISK_SYNC_S="0.05",
    )
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGTERM
    assert {file.read_bytes() for file in tmp_path.glob("*.own")} == {b""}
    if renewed:
        assert reticent.get_run("r").status is RunStatus.KILLED
