"""What all tests share."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# Importing readline, as pytest does, leaves the width of no terminal to the processes of pytest-xdist; and where no bytecode
# is to be written, each program that a test starts compiles all of Reticent anew, which takes longer than what it is to do.
for name in ("COLUMNS", "LINES", "PYTHONDONTWRITEBYTECODE"):
    os.environ.pop(name, None)

# Threads of OpenMP wait for each other without a pause. Where other processes need the cores, as other tests here do, a
# training of a millisecond takes seconds then.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# A shell that starts the tests in the background has SIGINT ignored, also in the programs that they start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

hypothesis.settings.register_profile("untimed", deadline=None)  # no test fails because the machine is busy
hypothesis.settings.load_profile("untimed")
pytest.register_assert_rewrite("reticent.testing")

from reticent.testing import isolated  # noqa: E402 - its asserts must be rewritten when it is imported


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A root of the test's own, strict; what was logged is delivered at its end."""
    with isolated(tmp_path / "root") as directory:
        yield directory
