"""How fast do points reach an MLflow server on PostgreSQL, or the embedded store, what do they cost it, and do all arrive?

Runs in threads of up to four processes log all their points at once, by Reticent and by MLflow's own client, whose calls
wait for the server or do not (`synchronous=False`). Time is from the first call to the exit of the last process, with
everything delivered. MLflow's client gets fewer points, as it would take minutes for all: its rates are of those. What the
store has is asked of its database: lost are points that are not there, twice those that are there more than once. The
server's processor time includes PostgreSQL's. `BENCH_RUNS=1000` measures as many runs as that.
"""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from tests.services.servers import Gateway, Mlflow, Postgres, gateway, mlflow_server, postgres

PROCESSES = 4
LIMIT_S = {"reticent": 900, "mlflow": 30, "mlflow, async": 30}
"""A process that has not ended by then is killed."""
POINTS = 1000
MLFLOW_POINTS = {"mlflow": 500, "mlflow, async": 1_000}
"""What all runs of a client log together, at most."""

COUNT = (
    "SELECT count(*), count(DISTINCT (r.name, m.key, m.step)) FROM metrics m JOIN runs r ON r.run_uuid = m.run_uuid"
    " JOIN experiments e ON e.experiment_id = r.experiment_id WHERE e.name = %s AND m.key = 'loss'"
)

Row = dict[str, object]


@dataclass(frozen=True)
class Case:
    client: str
    runs: int
    points: int
    pause_s: float = 0.0

    @property
    def all_points(self) -> int:
        return self.runs * self.points


@dataclass(frozen=True)
class Team:
    """MLflow on PostgreSQL, its artifacts in S3."""

    server: Mlflow
    database: Postgres
    s3: Gateway

    def processor_s(self) -> float:
        assert self.server.process is not None
        postmaster = int((self.database.directory / "data" / "postmaster.pid").read_text().split()[0])
        roots = [psutil.Process(self.server.process.pid), psutil.Process(postmaster)]
        every = [one.cpu_times() for root in roots for one in (root, *root.children(recursive=True))]
        ended = [root.cpu_times() for root in roots]
        return sum(one.user + one.system for one in every) + sum(one.children_user for one in ended)

    def requests(self) -> int:
        return (self.server.directory / "mlflow.log").read_text().count(' HTTP/1.1" ')

    def stored(self, experiment: str) -> tuple[int, int]:
        import psycopg

        with psycopg.connect(self.database.url) as connection:
            every, different = connection.execute(COUNT, (experiment,)).fetchone() or (0, 0)
        return int(every), int(different)


def measure() -> list[Row]:
    sizes = [int(os.environ.get("BENCH_RUNS", 0))] if os.environ.get("BENCH_RUNS") else [10, 100]
    rows = [embedded(Case("reticent", 1, 1_000_000))]
    with team() as one:
        for client in ("reticent", *MLFLOW_POINTS):  # a training that is not in a hurry: its end is what matters
            rows.append(served(one, Case(client, 1, 500, 0.01)))
        for runs in sizes:
            cases = [Case("reticent", runs, POINTS)]
            cases += [Case(name, runs, max(1, min(POINTS, most // runs))) for name, most in MLFLOW_POINTS.items()]
            rows += compared([served(one, case) for case in cases])
    return rows


@contextmanager
def team() -> Iterator[Team]:
    import s3fs

    with tempfile.TemporaryDirectory() as place, postgres() as database, gateway() as s3:
        own = s3.environment
        files = s3fs.S3FileSystem(
            key=own["AWS_ACCESS_KEY_ID"], secret=own["AWS_SECRET_ACCESS_KEY"], endpoint_url=s3.url
        )
        files.mkdir("team")
        # With its pool of 15 connections the server stalls as soon as there are more calls at once, and keeps stalling.
        own = {**own, "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": "100"}
        with mlflow_server(Path(place) / "server", database.url, "s3://team/artifacts", own) as server:
            yield Team(server, database, s3)


def served(team: Team, case: Case) -> Row:
    import requests

    experiment = f"{case.client} {case.runs} {case.pause_s}"
    create = f"{team.server.url}/api/2.0/mlflow/experiments/create"
    requests.post(create, json={"name": experiment}, timeout=60).raise_for_status()
    asked, busy = team.requests(), team.processor_s()
    row, stored = run(case, team.server.url, experiment, lambda _root: team.stored(experiment))
    row["requests"] = team.requests() - asked
    row["server's processor, s"] = busy = team.processor_s() - busy
    row["of it us a point"] = busy / max(1, stored) * 1e6
    return row


def embedded(case: Case) -> Row:
    def stored(root: Path) -> tuple[int, int]:
        with sqlite3.connect(root / "reticent.db") as store:
            counted = "count(*), count(DISTINCT run || ' ' || step)"
            join = "metric JOIN metric_key ON metric_key.id = metric.key WHERE name = 'loss'"
            every, different = store.execute(f"SELECT {counted} FROM {join}").fetchone()
        return int(every), int(different)

    return run(case, "sqlite", "bench", stored)[0]


def run(case: Case, url: str, experiment: str, stored: Callable[[Path], tuple[int, int]]) -> tuple[Row, int]:
    print(f"{case} to {url}...", file=sys.stderr, flush=True)
    processes = min(PROCESSES, case.runs)
    shares = [case.runs // processes + (number < case.runs % processes) for number in range(processes)]
    with tempfile.TemporaryDirectory() as place:
        started = [
            subprocess.Popen(
                [sys.executable, "-m", "benchmarks.delivery_child", case.client, url, experiment]
                + [str(one) for one in (sum(shares[:number]), share, case.points, case.pause_s)],
                env={**os.environ, "RETICENT_DIR": f"{place}/root"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL if case.client == "mlflow, async" else None,  # hundreds of lines of failures
                text=True,
            )
            for number, share in enumerate(shares)
        ]
        imports_s = sum(float(one.stdout.readline()) for one in started if one.stdout)
        begun, before = time.time(), ended_processor_s()
        for one in started:
            assert one.stdin is not None
            one.stdin.write("\n")
            one.stdin.flush()
        told = [one for one in [finished(process, begun + LIMIT_S[case.client]) for process in started] if one]
        ended, busy = time.time(), ended_processor_s() - before - imports_s
        every, different = stored(Path(place) / "root")
    times = sorted(one for child in told for one in child["ns"])
    whole = len(told) == processes
    row: Row = {
        "client": case.client,
        "to": "sqlite" if url == "sqlite" else "mlflow",
        "runs": case.runs,
        "points": case.all_points,
        "all delivered after s": ended - begun,
        "points/s": different / (ended - begun),
        "times MLflow's client": "",
        "times its async": "",
        "end of the process s": ended - max(child["last"] for child in told)
        if whole
        else f"failed, or killed after {LIMIT_S[case.client]} s",
        "call p50 us": times[len(times) // 2] / 1e3 if whole else "",
        "call p99 us": times[int(len(times) * 0.99)] / 1e3 if whole else "",
        "processor, s": busy,
        "requests": "",
        "server's processor, s": "",
        "of it us a point": "",
        "lost": case.all_points - different,
        "twice": every - different,
    }
    return row, different


def finished(process: subprocess.Popen[str], deadline: float) -> dict[str, Any]:
    """What a process has told; nothing if it was killed or failed."""
    try:
        lines = process.communicate(timeout=max(0.1, deadline - time.time()))[0].splitlines()
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return {}
    told: dict[str, Any] = {} if process.returncode else json.loads(lines[-1])
    return told


def ended_processor_s() -> float:
    """Of this process's children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def compared(rows: list[Row]) -> list[Row]:
    """The first one's rate as a multiple of the others'."""
    rates = [float(str(row["points/s"])) for row in rows]
    rows[0]["times MLflow's client"], rows[0]["times its async"] = rates[0] / rates[1], rates[0] / rates[2]
    return rows
