"""How fast do points reach an MLflow server on PostgreSQL, or files here, what do they cost it, and do all arrive?

Runs in threads of two processes log all their points at once: by Reticent; by MLflow's own `MlflowClient.log_batch`,
which is given 1,000 points at a time, gathered by the script, as an expert would; by its `log_metric`, as most people
do, whose calls wait for the server or do not (`synchronous=False`; each run then waits for its own). In turns; what has
one round says so in its row. Time is from the first call to the exit of the last process, with everything delivered,
the making of runs included. Batches have as many points as Reticent, single calls fewer, as it would take minutes for
all: their rates are of those. With 100 runs and more they are left out: most of their requests would be those that make
and end runs. What the store has is asked of its database: lost are points that are not there, twice those that are
there more than once, in all rounds. The server's processor time includes PostgreSQL's. `BENCH_POINTS=1000` logs so many
points in each run, but by single calls.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from tests.services.servers import Mlflow, Postgres, is_installed, mlflow_server, postgres

from benchmarks import processor
from benchmarks.environments import environment
from benchmarks.turns import Row, in_turns, ratio, rounds, spread

PROCESSES = 2
LIMIT_S = {"reticent": 900, "mlflow, log_batch": 900, "mlflow": 60, "mlflow, async": 60}
"""A process that has not ended by then is killed."""
POINTS = {10: 1_000, 100: 100, 1_000: 10}
"""What each run logs in batches, where there are so many."""
SINGLE_POINTS = 20
"""And what by single calls, of ten runs."""
BATCHES, SINGLE = ("reticent", "mlflow, log_batch"), ("mlflow", "mlflow, async")

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
    """MLflow on PostgreSQL."""

    server: Mlflow
    database: Postgres

    def processor_s(self) -> float:
        assert self.server.process is not None
        postmaster = int((self.database.directory / "data" / "postmaster.pid").read_text().split()[0])
        return processor.of_tree(self.server.process.pid) + processor.of_tree(postmaster)

    def requests(self) -> int:
        return (self.server.directory / "mlflow.log").read_text().count(' HTTP/1.1" ')

    def stored(self, experiment: str) -> tuple[int, int]:
        import psycopg

        with psycopg.connect(self.database.url) as connection:
            every, different = connection.execute(COUNT, (experiment,)).fetchone() or (0, 0)
        return int(every), int(different)


def measure() -> list[Row]:
    rows = [row(told, to) for to, told in in_turns({to: partial(local, to) for to in LOCAL}, rounds(1)).items()]
    if not is_installed("postgres"):
        print("left out: delivery to MLflow: PostgreSQL is not installed (apt-get install postgresql)", file=sys.stderr)
        return rows
    with tempfile.TemporaryDirectory() as place, team(Path(place)) as one:
        for runs, times in ((1, rounds(1)), (10, rounds(2)), (100, 1), (1_000, 1)):
            cases = {f"{runs} runs by {case.client}": case for case in cases_of(runs)}
            told = in_turns({name: partial(served, one, case) for name, case in cases.items()}, times)
            rows += compared(list(told.values()))
    return rows


def cases_of(runs: int) -> list[Case]:
    """One run: a training that is not in a hurry, whose end is what matters."""
    if runs == 1:
        return [Case(client, 1, 100, 0.02) for client in (*BATCHES, *SINGLE)]
    points = int(os.environ.get("BENCH_POINTS", POINTS[runs]))
    single = [Case(client, runs, SINGLE_POINTS) for client in SINGLE if runs == 10]
    return [*(Case(client, runs, points) for client in BATCHES), *single]


@contextmanager
def team(place: Path, artifacts: str | None = None, environment: Mapping[str, str] = {}) -> Iterator[Team]:
    """Its server's files are in `place`, artifacts too, if it is not told where else."""
    # With its pool of 15 connections the server stalls as soon as there are more calls at once, and keeps stalling.
    own = {**environment, "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": "100"}
    with postgres() as database, mlflow_server(place / "server", database.url, artifacts, own) as server:
        yield Team(server, database)


def served(team: Team, case: Case) -> Reading:
    import requests

    experiment = uuid.uuid4().hex
    create = f"{team.server.url}/api/2.0/mlflow/experiments/create"
    requests.post(create, json={"name": experiment}, timeout=60).raise_for_status()
    asked, busy = team.requests(), team.processor_s()
    found = run(case, team.server.url, experiment, lambda _root: team.stored(experiment))
    return replace(found, requests=team.requests() - asked, server_s=team.processor_s() - busy)


def local(backend: str) -> Reading:
    """A million points of one run to files here."""
    return run(Case("reticent", 1, 1_000_000), backend, "bench", LOCAL[backend])


def in_sqlite(root: Path) -> tuple[int, int]:
    with sqlite3.connect(root / "reticent.db") as store:
        counted = "count(*), count(DISTINCT run || ' ' || step)"
        join = "metric JOIN metric_key ON metric_key.id = metric.key WHERE name = 'loss'"
        every, different = store.execute(f"SELECT {counted} FROM {join}").fetchone()
    return int(every), int(different)


def in_jsonl(root: Path) -> tuple[int, int]:
    steps = [json.loads(line)["step"] for path in root.glob("jsonl/*/metrics.jsonl") for line in path.open()]
    return len(steps), len(set(steps))


LOCAL = {"sqlite": in_sqlite, "jsonl": in_jsonl}


def run(case: Case, url: str, experiment: str, stored: Callable[[Path], tuple[int, int]]) -> Reading:
    processes = min(PROCESSES, case.runs)
    shares = [case.runs // processes + (number < case.runs % processes) for number in range(processes)]
    with tempfile.TemporaryDirectory() as place:
        started = [
            subprocess.Popen(
                [sys.executable, "-m", "benchmarks.delivery_child", case.client, url, experiment]
                + [str(one) for one in (sum(shares[:number]), share, case.points, case.pause_s)],
                env=environment({"RETICENT_DIR": f"{place}/root", "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true"}),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                errors="replace",  # what threads print at once may be no text any more
            )
            for number, share in enumerate(shares)
        ]
        imports_s = sum(float(one.stdout.readline()) for one in started if one.stdout)
        begun, before = time.monotonic(), processor.of_ended()
        for one in started:
            assert one.stdin is not None
            one.stdin.write("\n")
            one.stdin.flush()
        told = [one for one in [finished(process, begun + LIMIT_S[case.client]) for process in started] if one]
        ended, busy = time.monotonic(), processor.of_ended() - before - imports_s
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
        lines = process.communicate(timeout=max(0.1, deadline - time.monotonic()))[0].splitlines()
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return {}
    told: dict[str, Any] = {} if process.returncode else json.loads(lines[-1])
    return told


def compared(clients: list[list[Reading]]) -> list[Row]:
    """With our rate as a multiple of each other one's, where all log as fast as they can."""
    ours, *theirs = clients
    rows = [row(one, "mlflow") for one in clients]
    if not ours[0].case.pause_s:
        for told, other in zip(rows[1:], theirs, strict=True):
            told["ours, times"] = ratio([one.rate for one in ours], [one.rate for one in other])
    return rows


def row(readings: list[Reading], to: str) -> Row:
    case, whole = readings[0].case, [one for one in readings if one.calls_ns]
    failed = f"failed, or killed after {LIMIT_S[case.client]} s: {len(readings) - len(whole)} of {len(readings)}"
    served = to == "mlflow"
    return {
        "client": case.client,
        "to": to,
        "runs": case.runs,
        "points": case.all_points,
        "in s": case.points * case.pause_s if case.pause_s else "",
        "rounds": len(readings),
        "all delivered after s": spread(one.took_s for one in readings),
        "points/s": spread(one.rate for one in readings),
        "ours, times": "",
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
