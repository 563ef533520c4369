"""Redacting stored runs again: killed at any step it can be done again, and a run that goes on is left alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.fault.conftest import Start

import reticent
from reticent.runlog import RunReader

STAFF = "STAFF-" + "123456"
POLICY = json.dumps({"rules": [{"id": "staff-number", "pattern": r"STAFF-\d{6}"}]})
RUNS = """
import sys, reticent
number = sys.argv[1]
for run_id in ("r", "s"):
    with reticent.start_run(f"by {number}", run_id=run_id) as run:
        run.log_param("owner", number)
        run.log_metric("loss", 0.5, 1)
        run.log_text(f"by {number}", f"notes/{number}.txt")
        run.log_text(f"by {number}", "notes/a.txt")
        with open(sys.argv[2], "wb") as file:
            file.write(bytes([0, 255]) + number.encode())
        run.log_artifact(sys.argv[2])
"""
APPLY = """
import os, signal, sys
from reticent import cli

def killing(function):
    def call(*arguments, **named):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **named)
    return call

left = int(sys.argv[1])
os.replace, os.unlink = killing(os.replace), killing(os.unlink)
sys.argv = ["reticent", "redact", "apply"]
cli.main()
"""


def run(code: str, root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "RETICENT_DIR": str(root), "RETICENT_REDACT": POLICY}
    if code is RUNS:
        del environment["RETICENT_REDACT"]
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def holding(root: Path) -> set[str]:
    """Below the root the files with the number in them, but those in quarantine, which are there to be kept."""
    files = [path for path in root.rglob("*") if path.is_file() and "quarantine" not in path.parts]
    return {str(path) for path in files if STAFF in str(path) or STAFF.encode() in path.read_bytes()}


def check_whole(directory: Path) -> None:
    """Every record of the run can be read, and every file is one that its log knows, old or new."""
    reader = RunReader(directory)
    while any(reader.read(1000, 1000)):
        pass
    assert reader.skipped == []
    for path in (directory / "artifacts").rglob("*.txt"):
        assert path.read_text() in (f"by {STAFF}", "by [REDACTED:staff-number]")


def test_killed_at_any_step_it_can_be_done_again(root: Path, tmp_path: Path) -> None:
    original = tmp_path / "original"
    assert run(RUNS, original, STAFF, str(tmp_path / "w.bin")).returncode == 0
    assert run("import reticent; reticent.get_run('r')", original).returncode == 0
    steps = 0
    while True:
        root = tmp_path / f"root-{steps}"
        subprocess.run(["cp", "-a", str(original), str(root)], check=True)
        killed = run(APPLY, root, str(steps))
        if killed.returncode == 0:
            break
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        for run_id in ("r", "s"):
            check_whole(root / "runs" / run_id)
        again = run(APPLY, root, "1000000")
        assert again.returncode == 0, again.stdout + again.stderr
        assert holding(root) == set()
        finished(root)
        steps += 5 if steps > 12 else 1  # every step of the first run, then some
    assert steps > 12
    finished(root)


def finished(root: Path) -> None:
    code = "import json, reticent\nprint(json.dumps([reticent.get_run(run).to_dict() for run in 'rs']))"
    for stored in json.loads(run(code, root).stdout):
        assert stored["params"] == {"owner": "[REDACTED:staff-number]"}
        assert [point["value"] for point in stored["metrics"]["loss"]] == [0.5]
        assert {artifact["path"] for artifact in stored["artifacts"]} == {
            "notes/[REDACTED:staff-number].txt",
            "notes/a.txt",
        }
        assert [file["path"] for file in stored["withheld"]] == ["w.bin"]
        assert (root / "runs" / stored["run_id"] / "quarantine" / "w.bin").read_bytes().endswith(STAFF.encode())


def test_a_run_that_goes_on_is_left_alone(root: Path, start: Start, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    training = start(
        f"""
        import reticent, sys
        run = reticent.start_run("r", run_id="r")
        run.log_param("owner", "{STAFF}")
        ready()
        with open("{tmp_path / "pipe"}") as pipe:
            pipe.read()
        run.log_param("after", "1")
        """
    )
    outcome = run(APPLY, root, "1000000")
    assert outcome.returncode == 1
    assert "r  left out: being written by a process" in outcome.stdout
    (tmp_path / "pipe").write_text("go on")
    training.communicate(timeout=60)
    assert training.returncode == 0
    assert reticent.get_run("r").params == {"owner": STAFF, "after": "1"}
    assert run(APPLY, root, "1000000").returncode == 0
    assert reticent.get_run("r").params == {"owner": "[REDACTED:staff-number]", "after": "1"}
