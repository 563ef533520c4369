"""A repository of a test's own, scripts that run in it, and a look for secrets in all that was written."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Find = Callable[[str], list[str]]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository of one commit, which holds `code.py`."""
    place = tmp_path / "project"
    place.mkdir()
    (place / "code.py").write_text("lr = 0.1\n")
    git(place, "init", "--quiet", "--initial-branch", "trunk")
    git(place, "config", "user.name", "somebody")
    git(place, "config", "user.email", "somebody@example.com")
    git(place, "add", ".")
    git(place, "commit", "--quiet", "--message", "first")
    return place


def git(place: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=place, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def script(root: Path, tmp_path: Path) -> Run:
    """`script(code, *arguments, cwd=, capture=, **environment)`: a process that logs to the test's root."""

    def run(
        code: str, *arguments: str, cwd: Path | None = None, capture: str = "{}", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        file = tmp_path / "train.py"
        file.write_text(textwrap.dedent(code))
        return subprocess.run(
            [sys.executable, str(file), *arguments],
            cwd=cwd or tmp_path,
            env={**os.environ, "RETICENT_CAPTURE": capture, **environment},
            capture_output=True,
            encoding="utf-8",
            errors="backslashreplace",
            timeout=60,
        )

    return run


@pytest.fixture
def find(root: Path) -> Find:
    """`find(secret)`: the files under the root, run logs, artifacts and database, in which it stands."""

    def look(secret: str) -> list[str]:
        files = [path for path in root.rglob("*") if path.is_file()]
        assert any(path.suffix == ".events" for path in files)
        return [path.name for path in files if secret.encode() in path.read_bytes()]

    return look
