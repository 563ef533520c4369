"""`reticent demo`: it ends well, says nothing alarming, and its secret is nowhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from reticent.demo import framework, tour

from .conftest import SECRET, Command


def test_the_demo_and_the_commands_that_it_prints(tmp_path: Path, command: Command) -> None:
    root = tmp_path / "root"
    path = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, "-m", "reticent.cli", "demo"],
        env={**os.environ, "RETICENT_DIR": str(root), "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=200,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "Warning" not in done.stdout
    assert "[REDACTED:" in done.stdout
    assert SECRET not in done.stdout
    assert not [file for file in root.rglob("*") if file.is_file() and SECRET.encode() in file.read_bytes()]
    further = done.stdout.split("Look further")[1]
    printed = re.findall(r"^  \S*reticent ((?:show|compare) .*?)  #", further, re.MULTILINE)
    assert len(printed) == 2
    for arguments in printed:
        assert command(*arguments.split(), root=root).code == 0
    listed = command("runs", "--filter", "metrics.loss < 0.5", root=root)
    assert "by-hand" in listed.out


def test_without_the_frameworks_it_names_the_extra(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tour, "find_spec", lambda name: None)
    outcome = command("demo")
    assert (outcome.code, outcome.out) == (1, "")
    assert 'pip install "reticent[sklearn,xgboost]"' in outcome.err


def test_an_unknown_framework_is_told_which_there_are(command: Command) -> None:
    outcome = command("demo", "nothing")
    assert (outcome.code, outcome.out) == (1, "")
    assert "there is no demo of 'nothing'; there is of: " in outcome.err


def test_the_code_is_the_body_of_the_training() -> None:
    def train() -> str:
        """Not shown."""
        numbers = [1, 2]

        # A remark.
        for number in numbers:
            print(number)
        return "done"

    shown = "numbers = [1, 2]\n\n# A remark.\nfor number in numbers:\n    print(number)"
    assert framework.body(train) == shown


def test_the_code_has_no_remarks_to_linters() -> None:
    def train() -> str:
        l = "#1"  # noqa: E741 - for the test
        number: int = l  # type: ignore[assignment] # likewise
        return f"{number}"

    assert framework.body(train) == 'l = "#1"\nnumber: int = l'
