"""Processes with one tracker each (`benchmarks.tracker_child`), in the environment that has it, and MLflow's server."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import processor
from benchmarks.environments import environment, homes, with_mlflow_tables
from benchmarks.trackers import TRACKERS

LIMIT_S = 600


@dataclass(frozen=True)
class Server:
    """MLflow's own, on SQLite."""

    url: str
    pid: int

    def processor_s(self) -> float:
        return processor.of_tree(self.pid)


@contextmanager
def mlflow_server() -> Iterator[Server]:
    from tests.services.servers import mlflow_server as started

    with tempfile.TemporaryDirectory() as directory, started(Path(directory)) as one:
        assert one.process is not None
        yield Server(one.url, one.process.pid)


def installed(names: Iterable[str]) -> dict[str, str]:
    """The Python of each tracker that is installed; of others it says so."""
    where = homes({TRACKERS[name].package for name in names})
    if missing := [name for name in names if TRACKERS[name].package not in where]:
        print(f"left out, as they are not installed: {', '.join(missing)}", file=sys.stderr)
    return {name: where[TRACKERS[name].package] for name in names if TRACKERS[name].package in where}


def prepare(name: str, place: Path) -> None:
    """What a tracker has since it was first used."""
    if "SQLite" in name:
        with_mlflow_tables(place)


def command(python: str, task: str, name: str, place: Path, *more: object) -> list[str]:
    return [python, "-m", "benchmarks.tracker_child", task, name, str(place), *map(str, more)]


def settings(place: Path, server: Server | None) -> dict[str, str]:
    """The environment of such a process: what it keeps lies in `place`, and nothing asks a network."""
    own = {"RETICENT_DIR": f"{place}/root", "TRACKIO_DIR": f"{place}/trackio", "HOME": str(place)}
    own["GIT_PYTHON_REFRESH"] = "quiet"
    return environment(own | ({"MLFLOW_TRACKING_URI": server.url} if server else {}))


def answer(python: str, task: str, name: str, place: Path, server: Server | None, *more: object) -> Any:
    """What such a process told last, as JSON. RuntimeError with what it wrote if it failed."""
    done = subprocess.run(
        command(python, task, name, place, *more),
        env=settings(place, server),
        cwd=place,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    if done.returncode:
        raise RuntimeError(f"{name} failed to {task}:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])
