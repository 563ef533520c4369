"""Scripts in processes of their own, which say on a pipe when they have come to the point."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Start = Callable[..., "subprocess.Popen[str]"]

PRELUDE = """
def ready():
    import os
    os.write(1, b"ready\\n")
def sleep():
    # In pieces: one that begins right after a signal is not cut short by it.
    import time
    for _ in range(1200):
        time.sleep(0.05)
"""


@pytest.fixture
def start(root: Path, tmp_path: Path) -> Iterator[Start]:
    """`start(code)` runs a script on the test's root, and returns when it has called `ready()`; `wait=False`: at once."""
    processes: list[subprocess.Popen[str]] = []

    def begin(code: str, wait: bool = True, **environment: str) -> subprocess.Popen[str]:
        script = tmp_path / f"script{len(processes) or ''}.py"
        script.write_text(PRELUDE + textwrap.dedent(code))
        process = subprocess.Popen(
            [sys.executable, str(script)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "RETICENT_DIR": str(root), **environment},
        )
        processes.append(process)
        assert process.stdout is not None
        if wait:
            line = process.stdout.readline()
            assert line == "ready\n", (line, process.stderr.read() if process.stderr else "")
        return process

    yield begin
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()
