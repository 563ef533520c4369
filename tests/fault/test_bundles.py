"""`kill -9` while a bundle is imported: every run that is there is whole, and the next import brings the rest."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from reticent.bundle import export_runs
from reticent.sessions import current

RUNS = 12
FILE_BYTES = 100_000

IMPORT = """
import os, sys
from pathlib import Path
from reticent.bundle import import_bundle
from reticent.sessions import current
session = current()
# Each piece of progress, and each step in the file system, is a moment to die at.
steps = iter(range(1 << 30))
def step():
    os.write(1, b".")
session.working = lambda *_: step()
for name in ("rename", "mkdir", "unlink"):
    def watched(*arguments, original=getattr(os, name), **named):
        step()
        original(*arguments, **named)
        step()
    setattr(os, name, watched)
import_bundle(session, Path(sys.argv[1]))
"""


def content(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


@pytest.fixture
def bundle(root: Path, tmp_path: Path) -> Path:
    for number in range(RUNS):
        run = root / "runs" / f"run{number}"
        (run / "artifacts" / "deep").mkdir(parents=True)
        (run / "w.events").write_bytes(b"%d\n" % number)
        (run / "artifacts" / "deep" / "file").write_bytes(os.urandom(FILE_BYTES))
    export_runs(current(), [f"run{number}" for number in range(RUNS)], tmp_path / "x.tar.gz")
    return tmp_path / "x.tar.gz"


def import_in(root: Path, bundle: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", IMPORT, str(bundle)],
        stdout=subprocess.PIPE,
        env={**os.environ, "RETICENT_DIR": str(root), "RETICENT_BACKENDS": ""},
    )


def test_a_killed_import_leaves_no_half_run(root: Path, bundle: Path, tmp_path: Path) -> None:
    expected = content(root / "runs")
    there = tmp_path / "there"
    process = import_in(tmp_path / "counted", bundle)
    steps = len(process.communicate()[0])
    assert steps > 3 * RUNS
    chance = random.Random(6)
    some = 0
    for number in range(15):
        # Half of the moments are among the last, when runs become visible.
        moment = chance.randrange(steps // 2) if number % 2 else steps - chance.randrange(3 * RUNS)
        process = import_in(there, bundle)
        assert process.stdout is not None
        for _ in range(moment):
            process.stdout.read(1)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        found = content(there / "runs") if (there / "runs").is_dir() else {}
        assert found.items() <= expected.items()
        names = {path.split("/")[0] for path in found}
        assert len(found) == 2 * len(names)  # of each run both of its files
        some += 0 < len(names) < RUNS
        if len(names) == RUNS:
            (there / "runs").rename(tmp_path / f"whole-{number}")
    assert some, "no kill came while runs became visible"
    process = import_in(there, bundle)
    process.communicate()
    assert process.returncode == 0
    assert content(there / "runs") == expected
    assert list((there / "moving").iterdir()) == []
