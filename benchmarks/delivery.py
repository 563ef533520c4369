"""How fast do points reach an MLflow server on PostgreSQL, or the embedded store, what do they cost it, and do all arrive?

Runs in threads of two processes log all their points at once, by Reticent and by MLflow's own client, whose calls wait for
the server or do not (`synchronous=False`); in turns, but for 100 and 1,000 runs, which are measured once. Time is from the
first call to the exit of the last process, with everything delivered. MLflow's client gets fewer points, as it would take
minutes for all: its rates are of those. What the store has is asked of its database: lost are points that are not there,
twice those that are there more than once, in all rounds. The server's processor time includes PostgreSQL's.
`BENCH_POINTS=1000` has Reticent log so many points in each run.
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
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from tests.services.servers import Gateway, Mlflow, Postgres, gateway, mlflow_server, postgres

from benchmarks.turns import Row, in_turns, ratio, rounds, spread

PROCESSES = 2
LIMIT_S = {"reticent": 900, "mlflow": 15, "mlflow, async": 15}
"""A process that has not ended by then is killed."""
POINTS = {10: 500, 100: 100, 1_000: 10}
"""What each run of Reticent's logs, where there are so many."""
MLFLOW_POINTS = {"mlflow": 150, "mlflow, async": 150}
"""What all runs of a client log together, at most, or one for each run."""

COUNT = (
    "SELECT count(*), count(DISTINCT (r.name, m.key, m.step)) FROM metrics m JOIN runs r ON r.run_uuid = m.run_uuid"
    " JOIN experiments e ON e.experiment_id = r.experiment_id WHERE e.name = %s AND m.key = 'loss'"
)


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
class Reading:
    case: Case
    took_s: float
    processor_s: float
    stored: int
    """Different points."""
    twice: int
    calls_ns: list[int]
    """Sorted. Empty if a process failed, or was killed."""
    end_s: float
    requests: int = 0
    server_s: float = 0.0

    @property
    def rate(self) -> float:
        return self.stored / self.took_s


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
    embedded_case = Case("reticent", 1, 1_000_000)
    rows = [row(in_turns({"a million points to SQLite": partial(embedded, embedded_case)}, rounds(2)).popitem()[1])]
    with team() as one:
        for runs, times in ((1, rounds(2)), (10, rounds(2)), (100, 1), (1_000, 1)):
            cases = {f"{runs} runs by {case.client}": case for case in cases_of(runs)}
            told = in_turns({name: partial(served, one, case) for name, case in cases.items()}, times)
            rows += compared(list(told.values()))
    return rows


def cases_of(runs: int) -> list[Case]:
    """One run: a training that is not in a hurry, whose end is what matters."""
    if runs == 1:
        return [Case(client, 1, 100, 0.02) for client in ("reticent", *MLFLOW_POINTS)]
    points = int(os.environ.get("BENCH_POINTS", POINTS[runs]))
    theirs = [Case(client, runs, max(1, most // runs)) for client, most in MLFLOW_POINTS.items()]
    return [Case("reticent", runs, points), *theirs]


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


def served(team: Team, case: Case) -> Reading:
    import requests

    experiment = uuid.uuid4().hex
    create = f"{team.server.url}/api/2.0/mlflow/experiments/create"
    requests.post(create, json={"name": experiment}, timeout=60).raise_for_status()
    asked, busy = team.requests(), team.processor_s()
    found = run(case, team.server.url, experiment, lambda _root: team.stored(experiment))
    return replace(found, requests=team.requests() - asked, server_s=team.processor_s() - busy)


def embedded(case: Case) -> Reading:
    def stored(root: Path) -> tuple[int, int]:
        with sqlite3.connect(root / "reticent.db") as store:
            counted = "count(*), count(DISTINCT run || ' ' || step)"
            join = "metric JOIN metric_key ON metric_key.id = metric.key WHERE name = 'loss'"
            every, different = store.execute(f"SELECT {counted} FROM {join}").fetchone()
        return int(every), int(different)

    return run(case, "sqlite", "bench", stored)


def run(case: Case, url: str, experiment: str, stored: Callable[[Path], tuple[int, int]]) -> Reading:
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
    whole = len(told) == processes
    return Reading(
        case,
        took_s=ended - begun,
        processor_s=busy,
        stored=different,
        twice=every - different,
        calls_ns=sorted(one for child in told for one in child["ns"]) if whole else [],
        end_s=ended - max(child["last"] for child in told) if whole else 0.0,
    )


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


def compared(clients: list[list[Reading]]) -> list[Row]:
    """The rate of the first one as a multiple of the others', where all log as fast as they can."""
    ours, *theirs = clients
    rows = [row(one) for one in clients]
    if not ours[0].case.pause_s:
        for key, other in zip(("times MLflow's client", "times its async"), theirs, strict=True):
            rows[0][key] = ratio([one.rate for one in ours], [one.rate for one in other])
    return rows


def row(readings: list[Reading]) -> Row:
    case, whole = readings[0].case, [one for one in readings if one.calls_ns]
    failed = f"failed, or killed after {LIMIT_S[case.client]} s: {len(readings) - len(whole)} of {len(readings)}"
    served = any(one.requests for one in readings)
    return {
        "client": case.client,
        "to": "mlflow" if served else "sqlite",
        "runs": case.runs,
        "points": case.all_points,
        "rounds": len(readings),
        "all delivered after s": spread(one.took_s for one in readings),
        "points/s": spread(one.rate for one in readings),
        "times MLflow's client": "",
        "times its async": "",
        "end of the process s": spread(one.end_s for one in whole) if whole == readings else failed,
        "call p50 us": spread(one.calls_ns[len(one.calls_ns) // 2] / 1e3 for one in whole) if whole else "",
        "call p99 us": spread(one.calls_ns[int(len(one.calls_ns) * 0.99)] / 1e3 for one in whole) if whole else "",
        "processor, s": spread(one.processor_s for one in readings),
        "requests": spread(one.requests for one in readings) if served else "",
        "server's processor, s": spread(one.server_s for one in readings) if served else "",
        "of it us a point": spread(one.server_s / max(1, one.stored) * 1e6 for one in readings) if served else "",
        "lost": sum(case.all_points - one.stored for one in readings),
        "twice": sum(one.twice for one in readings),
    }
