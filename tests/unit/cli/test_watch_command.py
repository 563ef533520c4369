"""`reticent sync --since` and `--watch`."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import typer

from reticent.cli.deliver import moment

from .conftest import Command, clean_environment

DAY = 86_400
LOG = """
import reticent, sys
with reticent.start_run(run_id=sys.argv[1]):
    for step in range(500):
        reticent.log_metric("loss", 0.5, step)
"""
Watch = Callable[..., "subprocess.Popen[str]"]


def log(root: Path, run_id: str) -> None:
    environment = {**clean_environment(), "RETICENT_DIR": str(root), "RETICENT_BACKENDS": ""}
    subprocess.run([sys.executable, "-c", LOG, run_id], env=environment, check=True, timeout=60)


def metrics(store: Path, run_id: str) -> list[int]:
    lines = (store / run_id / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["step"] for line in lines]


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    """`watch("--to", url)`: the command as a process on `tmp_path / "root"`."""
    processes: list[subprocess.Popen[str]] = []

    def begin(*arguments: str, **streams: int) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "reticent.cli", "sync", "--watch", *arguments],
            env={**clean_environment(), "RETICENT_DIR": str(tmp_path / "root"), "TERM": "xterm"},
            text=True,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams},
        )
        processes.append(process)
        return process

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


def test_how_moments_are_said() -> None:
    assert moment("2d") == pytest.approx(time.time() - 2 * DAY, abs=5)
    assert moment("12h") == pytest.approx(time.time() - DAY / 2, abs=5)
    assert moment("30m") == pytest.approx(time.time() - 1800, abs=5)
    assert moment("2026-11-01") == datetime(2026, 11, 1).timestamp()  # as the clock on the wall here says
    assert moment("2026-11-01T12:30") - moment("2026-11-01") == 12.5 * 3600
    for text in ("yesterday", "2", "d", "-2d", "2y", "", "2026-13-01", "9" * 30 + "d"):
        with pytest.raises(typer.BadParameter, match="is no time: say how long ago"):
            moment(text)


def test_a_time_that_lies_in_the_future_is_a_usage_error(command: Command, tmp_path: Path) -> None:
    log(tmp_path / "root", "r")
    to = ("--to", f"jsonl://{tmp_path / 'store'}")
    tomorrow = (datetime.now() + timedelta(days=1)).isoformat(timespec="seconds")
    for watching in ((), ("--watch",)):
        outcome = command("sync", *to, "--since", tomorrow, *watching, root=tmp_path / "root")
        assert (outcome.code, outcome.out) == (2, "")
        assert "lies in the future" in " ".join(outcome.err.replace("│", " ").split())
    assert not (tmp_path / "store").exists()


def test_another_text_is_a_usage_error(command: Command) -> None:
    outcome = command("sync", "--since", "yesterday")
    assert outcome.code == 2
    assert "'yesterday' is no time" in " ".join(outcome.err.replace("│", " ").split())


def test_only_what_was_logged_to_since_then_is_delivered(command: Command, tmp_path: Path) -> None:
    root, store = tmp_path / "root", tmp_path / "store"
    for days, run_id in ((1, "fresh"), (3, "old")):
        log(root, run_id)
        for path in (root / "runs" / run_id).iterdir():
            os.utime(path, (time.time() - days * DAY,) * 2)
    to = ("--to", f"jsonl://{store}")
    before = (datetime.now() - timedelta(days=2)).isoformat(timespec="seconds")
    assert "has everything already" in command("sync", *to, "--since", "12h", root=root).out
    assert "1 run," in command("sync", *to, "--since", before, root=root).out
    assert [path.name for path in store.iterdir() if path.is_dir()] == ["fresh"]
    assert "1 run," in command("sync", *to, "--since", "4d", root=root).out
    assert metrics(store, "old") == list(range(500))


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_watch_delivers_what_comes_and_ends_orderly(watch: Watch, tmp_path: Path, number: signal.Signals) -> None:
    root, store = tmp_path / "root", tmp_path / "store"
    log(root, "before")
    process = watch("--to", f"jsonl://{store}")
    assert process.stdout is not None
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  jsonl  before  \d+ records, complete\n", first(process))
    log(root, "comes")
    line = first(process)
    while "complete" not in line:  # it may have been seen before it had ended
        assert "jsonl  comes" in line
        line = first(process)
    process.send_signal(number)
    assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 0
    assert metrics(store, "comes") == list(range(500))
    deliveries = [line for line in (store / "comes" / "events.jsonl").read_text().splitlines() if '"complete"' in line]
    assert len(deliveries) == 1  # the log of a run that ended meanwhile says that it has arrived
    assert not (store / "before" / "events.jsonl").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_failing_backend_is_told_and_stops_no_other(watch: Watch, tmp_path: Path) -> None:
    root, store = tmp_path / "root", tmp_path / "store"
    log(root, "r")
    (tmp_path / "file").write_text("no directory")
    process = watch("--to", f"jsonl://{tmp_path / 'file'}", "--to", f"jsonl://{store}")
    lines = sorted([first(process), first(process)], key=lambda line: "complete" in line)
    assert "NotADirectoryError" in lines[0] or "FileExistsError" in lines[0]
    assert "r  " in lines[1]
    (tmp_path / "file").unlink()
    lines = sorted([first(process), first(process)])
    assert any("takes records again" in line for line in lines)
    assert any("complete" in line for line in lines)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert metrics(tmp_path / "file", "r") == metrics(store, "r") == list(range(500))


@pytest.mark.skipif(sys.platform != "linux", reason="a pseudoterminal")
def test_a_terminal_has_a_line_that_changes(watch: Watch, tmp_path: Path) -> None:
    import pty

    log(tmp_path / "root", "r")
    ours, theirs = pty.openpty()
    process = watch("--to", f"jsonl://{tmp_path / 'store'}", stdout=theirs)
    os.close(theirs)
    seen = ""
    while not re.search(r"jsonl  5\d\d records", seen):
        seen += os.read(ours, 65536).decode()
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    os.close(ours)
    assert "Ctrl-C ends it" in seen
    assert " complete" not in seen


def first(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.stderr and process.stderr.read()
    return line
