"""The command as a process: pipes, terminals, exit codes, signals, how long it takes."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

Process = Callable[..., "subprocess.CompletedProcess[str]"]


PIPED = (["runs", "--children"], ["show", "aaaa0001"], ["compare", "bbbb0001", "bbbb0002"])


@pytest.mark.parametrize("arguments", PIPED, ids=" ".join)
def test_what_is_piped_has_no_colours_and_long_cells_are_cut(process: Process, arguments: list[str]) -> None:
    whole, cut = (process(*arguments, *more, TERM="xterm-256color") for more in (["--all"], []))
    for done in (whole, cut):
        assert done.returncode == 0
        assert "\x1b" not in done.stdout
        assert not [line for line in done.stdout.splitlines() if line != line.rstrip()]
    assert "…" not in whole.stdout
    if arguments[0] == "show":
        assert "x" * 300 in whole.stdout
        assert "x" * 200 not in cut.stdout
        assert max(map(len, cut.stdout.splitlines())) < 300
    assert len(whole.stdout.splitlines()) == len(cut.stdout.splitlines())  # nothing is folded


@pytest.mark.parametrize("columns", [30, 60, 100])
@pytest.mark.parametrize("arguments", PIPED, ids=" ".join)
def test_what_is_piped_is_as_wide_as_asked_for_and_its_ids_are_whole(
    process: Process, arguments: list[str], columns: int
) -> None:
    done = process(*arguments, COLUMNS=str(columns))
    assert max(len(line) for line in done.stdout.splitlines()) <= columns
    if arguments[0] == "runs":
        ids = [line.split()[0] for line in done.stdout.splitlines() if line]
        assert {"aaaa0001", *[f"bbbb000{number}" for number in range(1, 9)]} <= set(ids)
    if arguments[0] == "show":
        assert "aaaa0001" in done.stdout


def test_an_ascii_terminal_is_no_error(process: Process) -> None:
    done = process("runs", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "? finished" in done.stdout


def test_the_version(process: Process) -> None:
    done = process("--version")
    assert re.fullmatch(r"reticent \d+\.\d+\.\d+\n", done.stdout)


def test_help_names_every_command_and_imports_nothing_heavy(process: Process) -> None:
    done = process("--help", PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == 0
    for name in ("runs", "show", "compare", "sync", "courier", "reindex", "doctor", "bench", "demo"):
        assert name in done.stdout
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert not imported & {"msgspec", "sqlite3", "numpy", "rich.console", "reticent.session"}


def test_a_command_that_only_reads_does_not_wait_at_its_end(process: Process) -> None:
    start = time.monotonic()
    assert process("runs", RETICENT_EXIT_TIMEOUT_S="30").returncode == 0
    assert time.monotonic() - start < 20


def test_an_unknown_command_is_a_usage_error(process: Process) -> None:
    assert process("nonsense").returncode == 2


def test_a_settings_error_is_a_message(process: Process) -> None:
    done = process("runs", RETICENT_NONSENSE="1")
    assert done.returncode == 1
    assert done.stderr.startswith("reticent: RETICENT_NONSENSE: unknown setting")
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_is_quiet(root: Path) -> None:
    slow = (
        "import time, reticent.store, reticent.cli, sys\n"
        "def top_runs(*a, **k):\n    print('ready', flush=True)\n    time.sleep(60)\n"
        "reticent.store.top_runs = top_runs\n"
        "sys.argv = ['reticent', 'runs']\n"
        "reticent.cli.main()\n"
    )
    environment = {**os.environ, "RETICENT_DIR": str(root), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        [sys.executable, "-c", slow], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=30)
    assert (child.returncode, out, err.strip()) == (130, "", "")


@pytest.mark.skipif(sys.platform != "linux", reason="a pseudoterminal")
@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_terminal_gets_colours_and_lines_that_fit(root: Path, columns: int) -> None:
    out = on_terminal(["runs", "--children"], root, columns)
    assert "\x1b[" in out
    assert "and 3 more" in plain(out)
    assert max(len(line) for line in plain(out).splitlines()) <= columns


@pytest.mark.skipif(sys.platform != "linux", reason="a pseudoterminal")
def test_no_color_is_heeded(root: Path) -> None:
    out = on_terminal(["runs"], root, 100, NO_COLOR="1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", out)


LEFT = """
import os, sys, reticent
reticent.start_run(run_id="r")
reticent.log_artifact(sys.argv[1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a pseudoterminal")
def test_a_large_file_delays_no_exit_and_whoever_publishes_it_says_so(tmp_path: Path) -> None:
    file, root = tmp_path / "large[1].log", tmp_path / "root"
    file.write_text("epoch=3 step=17 loss=0.25 of a run that was long\n" * 5_000_000)
    environment = {**os.environ, "RETICENT_DIR": str(root), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", LEFT, str(file)],
        cwd=tmp_path,  # secrets in the diff of a repository would be known there only, and the file withheld
        env={**environment, "RETICENT_EXIT_TIMEOUT_S": "0.01"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "kept for the next run" in done.stderr
    assert os.listdir(root / "runs" / "r" / "staging")  # what it had to wait for was not awaited
    shutil.copytree(root, tmp_path / "piped")
    shown = plain(on_terminal(["runs"], root, 100, stream="stderr"))
    assert re.search(r"sealing large\[1\].log [━╸╺]+ +\d+%", shown), shown
    assert os.listdir(root / "runs" / "r" / "staging") == []
    assert (root / "runs" / "r" / "artifacts" / file.name).read_bytes() == file.read_bytes()
    piped = subprocess.run(
        [sys.executable, "-m", "reticent.cli", "runs"],
        env={**environment, "RETICENT_DIR": str(tmp_path / "piped")},
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert (b"finished" in piped.stdout, piped.stderr) == (True, b"")


def on_terminal(arguments: list[str], root: Path, columns: int, stream: str = "stdout", **environment: str) -> str:
    """What a command prints to one of its streams, where that is a terminal of so many columns."""
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    kept = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLUMNS", "LINES")}
    path = os.pathsep.join(filter(None, sys.path))
    settings = {"RETICENT_DIR": str(root), "TERM": "xterm-256color", "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"}
    child = subprocess.Popen(
        [sys.executable, "-m", "reticent.cli", *arguments],
        stdin=theirs,
        stdout=theirs if stream == "stdout" else subprocess.DEVNULL,
        stderr=theirs if stream == "stderr" else subprocess.DEVNULL,
        env={**kept, **settings, **environment},
    )
    os.close(theirs)
    data = b""
    try:
        while chunk := os.read(ours, 65536):
            data += chunk
    except OSError:  # the other end is closed
        pass
    finally:
        os.close(ours)
    assert child.wait(timeout=60) == 0
    return data.decode("utf-8").replace("\r\n", "\n")


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
