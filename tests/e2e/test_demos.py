"""`reticent demo FRAMEWORK`, for every integration: it trains, is captured without a warning, and is shown."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from importlib import import_module, metadata
from pathlib import Path

import pytest

from reticent.demo.framework import demos

DEMOS = demos()
POINTS = list(metadata.entry_points(group="reticent.integrations"))


@pytest.mark.parametrize("name", DEMOS)
def test_a_demo_trains_and_shows_its_run(name: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("RETICENT_", "COLUMNS"))}
    done = subprocess.run(
        [sys.executable, "-m", "reticent.cli", "demo", name],
        env={**inherited, "RETICENT_DIR": str(root), "PYTHONIOENCODING": "utf-8", "RETICENT_EXIT_TIMEOUT_S": "1"},
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    title = import_module(DEMOS[name].demo).__doc__.strip()
    assert title in done.stdout.splitlines(), "the demo's docstring is its title, one line"
    assert "   ✓ " in done.stdout
    assert "✓ finished" in done.stdout
    assert "\nModels  " in done.stdout, "what is shown is all there, however busy the machine is"
    (database,) = root.glob("*.db")
    with closing(sqlite3.connect(database)) as connection:
        runs = connection.execute("SELECT status FROM run").fetchall()
        assert runs
        assert {status for (status,) in runs} == {"FINISHED"}
        assert connection.execute("SELECT message FROM warning").fetchall() == []
        captured = "SELECT count(*) FROM latest_tag WHERE key = 'autologging'"
        assert connection.execute(captured).fetchone()[0] > 0
    left = {path.name for path in tmp_path.iterdir()} - {"root"}
    assert not left, "a demo leaves nothing in the working directory"


def test_every_demo_that_an_integration_names_is_there() -> None:
    named = {point.name for point in POINTS if point.load().demo}
    assert named == set(DEMOS)


def test_make_knows_every_framework() -> None:
    lines = (Path(__file__).parents[2] / "Makefile").read_text().splitlines()
    told = [
        line.partition(":=")[2].split() for line in lines if line.startswith(("FRAMEWORKS :=", "TORCH_FRAMEWORKS :="))
    ]
    ours = {point.name for point in POINTS if point.value.startswith("reticent_integrations.")}
    assert {name for names in told for name in names if not name.startswith("$")} == ours
