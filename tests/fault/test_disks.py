"""Full, read-only and unwritable disks: training goes on, one warning, losses are counted."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.fault.conftest import Start

import reticent
from reticent.couriers import SIGN_S
from reticent.records import Lost
from reticent.runlog import RunReader

TRAINING = """
    import reticent
    with reticent.start_run("r", run_id="r") as run:
        for step in range(60_000):
            reticent.log_metric("loss", 0.5, step=step)
        for step in range(200):
            reticent.log_param(f"p{step}", "x" * 5000)
        reticent.log_text("y" * 300_000, "big.txt")
        reticent.log_artifact(__file__)
    print("trained")
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    with disk(tmp_path / "disk", "1m") as point:
        yield point


@pytest.fixture
def large_disk(tmp_path: Path) -> Iterator[Path]:
    with disk(tmp_path / "disk", "100m") as point:
        yield point


@contextmanager
def disk(point: Path, size: str) -> Iterator[Path]:
    point.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(point)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("needs the right to mount a file system (root)")
    try:
        yield point
    finally:
        subprocess.run(["umount", "-l", str(point)], check=True)


def run_training(start: Start, root: Path) -> str:
    process = start(TRAINING, wait=False, RETICENT_DIR=str(root), RETICENT_BACKENDS="")
    output, errors = process.communicate(timeout=120)
    assert (process.returncode, output) == (0, "trained\n"), errors
    return errors


def warnings(errors: str) -> list[str]:
    return [line for line in errors.splitlines() if line.startswith("reticent:")]


def test_a_full_disk(small_disk: Path, start: Start) -> None:
    warning, *total = warnings(run_training(start, small_disk))
    assert "No space left on device" in warning
    told = sum(int(number) for line in total for number in re.findall(r"(\d+) metrics", line))
    reader = RunReader(small_disk / "runs" / "r")
    entries, blocks = reader.read(100_000, 100_000)
    noted = sum(e.record.count for e in entries if isinstance(e.record, Lost) and e.record.what == "metrics")
    read = sum(map(len, blocks))
    assert read > 20_000
    assert read + told + noted == 60_000


def test_a_disk_that_has_room_again_says_what_was_lost(small_disk: Path, start: Start) -> None:
    (small_disk / "ballast").write_bytes(bytes(700 << 10))
    process = start(
        """
        import os, reticent, time
        from reticent.runlog.writer import RETRY_S
        with reticent.start_run("r", run_id="r"):
            for step in range(30_000):
                reticent.log_metric("loss", 0.5, step=step)
            os.unlink(os.environ["RETICENT_DIR"] + "/ballast")
            time.sleep(2 * RETRY_S)
            reticent.log_metric("loss", 0.25, step=30_000)
            reticent.log_param("after", 1)
        """,
        wait=False,
        RETICENT_DIR=str(small_disk),
        RETICENT_BACKENDS="",
    )
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert len(warnings(errors)) == 1
    reticent.configure(dir=str(small_disk))
    run = reticent.get_run("r")
    history = run.metric_history("loss")
    assert sum(one.count for one in run.losses() if one.what == "metrics") + len(history) == 30_001
    assert history[-1].value == 0.25
    assert run.params == {"after": "1"}
    assert run.health.state == "degraded"
    reticent.configure(dir=None)


def test_a_read_only_disk(small_disk: Path, start: Start) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    (warning, total) = warnings(run_training(start, small_disk))
    assert "Read-only file system" in warning
    assert "60000 metrics" in total


def command(root: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "reticent.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "RETICENT_DIR": str(root), "RETICENT_BACKENDS": "sqlite"},
    )


READ = """
import os, sys
from pathlib import Path
from reticent.backends.sqlite.schema import connect_to_read
if os.geteuid() == 0:  # whom no mode of a directory keeps from writing
    os.setuid(65534)
print(connect_to_read(Path(sys.argv[1])).execute("SELECT name FROM run").fetchall())
"""


def test_runs_of_a_root_that_cannot_be_written_are_read(root: Path) -> None:
    reticent.start_run("fruit", run_id="fruit").end()
    assert reticent.flush(30)
    with tempfile.TemporaryDirectory() as place:  # where another user may come, too
        for directory in (Path(place), Path(place) / "copy"):
            directory.mkdir(exist_ok=True)
            directory.chmod(0o755)
        with closing(sqlite3.connect(root / "reticent.db")) as database:
            database.execute("VACUUM INTO ?", (f"{place}/copy/reticent.db",))
        with closing(sqlite3.connect(f"{place}/copy/reticent.db")) as database:
            database.execute("PRAGMA journal_mode = WAL")
        Path(place, "copy", "reticent.db").chmod(0o644)
        Path(place, "copy").chmod(0o555)
        read = [sys.executable, "-c", READ, f"{place}/copy/reticent.db"]
        done = subprocess.run(read, capture_output=True, text=True, timeout=60)
        Path(place, "copy").chmod(0o755)
    assert done.stdout == "[('fruit',)]\n", done.stderr


def test_a_courier_on_a_read_only_disk_says_so_once(large_disk: Path, start: Start) -> None:
    (large_disk / "runs").mkdir()
    subprocess.run(["mount", "-o", "remount,ro", str(large_disk)], check=True)
    courier = command(large_disk, "courier")
    assert courier.stdout is not None
    assert "OSError: Read-only file system" in courier.stdout.readline()
    time.sleep(1.5 * SIGN_S)  # in which it tries again
    courier.terminate()
    output, errors = courier.communicate(timeout=60)
    assert courier.returncode == 0, errors
    assert output.count("Read-only file system") == 0


def test_a_root_that_cannot_be_made(tmp_path: Path, start: Start) -> None:
    (tmp_path / "file").write_text("in the way")
    (warning, total) = warnings(run_training(start, tmp_path / "file" / "root"))
    assert "Not a directory" in warning
    assert "60000 metrics" in total


def test_where_a_map_cannot_be_trusted_records_are_appended(root: Path, start: Start) -> None:
    process = start(
        """
        import reticent, reticent.files
        reticent.files._RESERVING.clear()
        with reticent.start_run("r", run_id="r"):
            for step in range(5000):
                reticent.log_metric("loss", step * 0.5, step=step)
        """,
        wait=False,
    )
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    history = reticent.get_run("r").metric_history("loss")
    assert [metric.value for metric in history] == [step * 0.5 for step in range(5000)]


@pytest.mark.parametrize("what", ["params", "metrics", "texts", "files", "nothing"])
def test_a_root_that_is_deleted_while_a_run_is_open(what: str, root: Path, tmp_path: Path, start: Start) -> None:
    """The training goes on, the loss is told once, and no half of a run is left."""
    process = start(
        f"""
        import shutil, reticent
        with reticent.start_run("deleted"):
            reticent.log_param("before", 1)
            reticent.log_metric("m", 0.0, step=0)
            reticent.log_artifact(__file__)
            assert reticent.flush(60)
            shutil.rmtree({str(root)!r})
            for step in range(2000):
                if {what!r} == "params":
                    reticent.log_param(f"p{{step}}", step)
                elif {what!r} == "metrics":
                    reticent.log_metric("m", float(step), step=step)
                elif {what!r} == "texts" and step < 3:
                    reticent.log_text("text", f"{{step}}.txt")
                elif {what!r} == "files" and step < 3:
                    reticent.log_artifact(__file__, str(step))
        print("trained")
        """,
        wait=False,
    )
    out, errors = process.communicate(timeout=120)
    assert (process.returncode, out) == (0, "trained\n")
    told, *lost = errors.splitlines()
    assert told.endswith(
        f"the run log under {root} cannot be written (it was deleted while it was written); training goes on, and what is "
        "logged is lost until it can be written again"
    )
    assert len(lost) == 1
    assert lost[0].startswith("reticent: lost: ")
    assert not list((root / "runs").glob("*"))
    assert reticent.search_runs() == []
