"""For tests of what a framework's training leaves behind: a script as a user writes it, read back from the database by SQL
alone, held against what MLflow's autologging captures (floor.json: its names, and how many points a metric had in one
script of each framework) and against the table that `reticent doctor --captures` shows."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import pytest

from reticent.surroundings import is_surrounding

FLOOR = json.loads((Path(__file__).parent / "floor.json").read_text())
NUMBERED = re.compile(r"\d+")
BY_TIME = {"steps_per_second"}
"""Metrics that there are of a loop if it takes a second."""


@dataclass
class Stored:
    """A run as the database has it."""

    run_id: str
    name: str
    status: str
    parent_id: str | None
    params: dict[str, tuple[str, str]]
    """Value and origin."""
    metrics: dict[str, list[tuple[int, float]]]
    """Step and value of each point, in the order of the steps."""
    tags: dict[str, str]
    artifacts: list[str]
    datasets: dict[tuple[str, str], tuple[dict[str, object], dict[str, object]]]
    """By name and role, schema and profile."""
    models: list[str]
    warnings: list[str]


def script(code: str, directory: Path, timeout_s: float = 240) -> list[Stored]:
    """Run a script that begins with the line that users add; the runs that it left, the oldest first."""
    root = directory / "root"
    file = directory / "train.py"
    file.write_text(f"import reticent\nreticent.autolog()\n{code}")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RETICENT_")}
    environment |= {"RETICENT_DIR": str(root), "RETICENT_EXIT_TIMEOUT_S": "120", "CUDA_VISIBLE_DEVICES": ""}
    environment["RETICENT_CAPTURE"] = '{"system_s": 0}'  # a run that takes ten seconds has metrics that others have not
    done = subprocess.run(
        [sys.executable, str(file)], cwd=directory, env=environment, capture_output=True, text=True, timeout=timeout_s
    )
    assert done.returncode == 0, done.stderr
    return stored(root)


def trainings(codes: Mapping[str, str], places: pytest.TempPathFactory) -> dict[str, tuple[Stored, Path]]:
    """The only run of each script, by the script's title, with the directory that it was made in."""
    found = {}
    for title, code in codes.items():
        directory = places.mktemp(title.replace(" ", "-"))
        (run,) = script(code, directory)
        assert (run.status, run.warnings) == ("FINISHED", []), title
        found[title] = run, directory
    return found


def stored(root: Path) -> list[Stored]:
    (database,) = root.glob("*.db")
    with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        rows = connection.execute(
            "SELECT id, run_id, name, status, parent_id FROM run ORDER BY start_time, id"
        ).fetchall()
        return [_run(connection, *row) for row in rows]


def _run(
    connection: sqlite3.Connection, row: int, run_id: str, name: str, status: str, parent_id: str | None
) -> Stored:
    def select(sql: str) -> list[tuple[object, ...]]:
        return connection.execute(sql, (row,)).fetchall()

    metrics: dict[str, list[tuple[int, float]]] = {}
    points = (
        "SELECT name, step, value FROM metric JOIN metric_key ON metric_key.id = key WHERE run = ? ORDER BY step, time"
    )
    for key, step, value in select(points):
        metrics.setdefault(str(key), []).append((step, value))  # type: ignore[arg-type] # as the columns are declared
    return Stored(
        run_id,
        name,
        status,
        parent_id,
        {
            key: (value, origin)
            for key, value, origin in select("SELECT key, value, origin FROM latest_param WHERE run = ?")
        },  # type: ignore[misc]
        metrics,
        dict(select("SELECT key, value FROM latest_tag WHERE run = ?")),  # type: ignore[arg-type]
        [path for (path,) in select("SELECT path FROM artifact WHERE run = ? ORDER BY path")],  # type: ignore[misc]
        {
            (name, context): (json.loads(schema), json.loads(profile))  # type: ignore[misc, arg-type]
            for name, context, schema, profile in select(
                "SELECT name, context, schema, profile FROM dataset WHERE run = ?"
            )
        },
        [path for (path,) in select("SELECT path FROM model WHERE run = ?")],  # type: ignore[misc]
        [message for (message,) in select("SELECT message FROM warning WHERE run = ?")],  # type: ignore[misc]
    )


def check_floor(run: Stored, script_name: str, renamed: Mapping[str, str] = {}, points: Mapping[str, int] = {}) -> None:
    """Everything that MLflow captures is there: under its name, or under the one that `renamed` says.

    `points` says how many points metrics have here whose number is another one than in MLflow's script.
    """
    floor = FLOOR[script_name]

    def missing(names: Collection[str], have: Collection[str]) -> list[str]:
        return sorted(name for name in names if renamed.get(name, name) not in have)

    assert missing(floor["params"], run.params) == [], "params"
    assert missing(floor["metrics"], run.metrics) == [], "metrics"
    assert missing(floor["artifacts"], run.artifacts) == [], "artifacts"
    tags = {name: renamed.get(name, name.removeprefix("mlflow.")) for name in floor["tags"]}
    assert [name for name, ours in tags.items() if ours not in run.tags] == [], "tags"
    for name, count in floor["metrics"].items():
        ours = renamed.get(name, name)
        assert len(run.metrics[ours]) == points.get(ours, count), f"points of {ours}"


def check_captures(integration: str, version: str, runs: Mapping[str, Stored]) -> None:
    """What was captured of trainings, by title, is what `reticent doctor --captures` says of them.

    The table is checked with the version that it was made with; RETICENT_WRITE_CAPTURES=1 makes it anew.
    """
    seen = {title: _captures(run) for title, run in runs.items()}
    place = Path(str(resources.files(f"reticent_integrations.{integration}") / "captures.json"))
    if os.environ.get("RETICENT_WRITE_CAPTURES"):
        place.write_text(json.dumps({"version": version, "trainings": seen}, indent=1, sort_keys=True) + "\n")
    table = json.loads(place.read_text())
    if table["version"] == version:
        assert table["trainings"] == seen, "make it anew with RETICENT_WRITE_CAPTURES=1"
    else:  # of another version the names may differ; that each of these trainings is captured must not
        assert table["trainings"].keys() == seen.keys()


def _captures(run: Stored) -> dict[str, object]:
    return {
        "params": {key: run.params[key][1] for key in sorted(run.params)},
        "metrics": sorted(run.metrics.keys() - BY_TIME),
        "tags": sorted(key for key in run.tags if not is_surrounding(key)),
        "artifacts": sorted({NUMBERED.sub("N", path) for path in run.artifacts if not _of_model(path, run)}),
        "datasets": sorted(f"{name} ({context})" for name, context in run.datasets),
        "models": sorted(run.models),
    }


def _of_model(path: str, run: Stored) -> bool:
    return any(path.startswith(f"{model}/") for model in run.models)
