"""How long does it take to list, filter, sort and load runs, of how many there are?

Runs with 10 params and 5 metrics of 20 points each. A query asks for 50 runs with their params and newest metrics; one run
is loaded with all points of a metric. MLflow's client asks its SQLite store in the same process, without a server between,
in turns with Reticent; of 10,000 runs it is not asked, as it takes minutes to store them. The first query of a process is
told by itself: it opens the store and looks for what run logs have that is new. Both stores lie in memory (/dev/shm).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.environments import environment
from benchmarks.turns import Row, in_turns, ratio, rounds, say, spread

SIZES = (100, 1_000, 10_000)
MLFLOW_SIZES = (100, 1_000)
FILTER = "metrics.loss < 0.1 and params.model = 'xgb'"
ORDER = ["metrics.loss ASC"]

Query = Callable[[], object]


def measure() -> list[Row]:
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # storing takes minutes where MLflow's commits wait
    stores = [("reticent", size) for size in SIZES]
    stores += [("mlflow", size) for size in MLFLOW_SIZES if find_spec("mlflow")]
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(dir=memory) as place, ThreadPoolExecutor(os.cpu_count()) as pool:
        # The largest first. None of it is timed, so that several are made at once.
        made = [pool.submit(_make, place, *one) for one in sorted(stores, key=lambda one: -one[1])]
        for one in made:
            one.result()
        for size in SIZES:
            say(f"queries of {size} runs")
            rows += json.loads(_child(f"{place}/{size}", "ask", *(logger for logger, of in stores if of == size)))
    return rows


def _make(place: str, logger: str, size: int) -> None:
    say(f"{size} runs of {logger}")
    Path(place, str(size)).mkdir(exist_ok=True)
    _child(f"{place}/{size}", "make", logger, str(size))


def _child(place: str, *arguments: str) -> str:
    quiet = {"RETICENT_DIR": f"{place}/root", "RETICENT_CAPTURE": '{"git": false, "argv": false, "system_s": 0}'}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.queries", *arguments],
        env=environment(quiet),
        cwd=place,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    return done.stdout.splitlines()[-1] if done.stdout else ""


def params(number: int) -> dict[str, Any]:
    return {"model": ("xgb", "forest", "linear")[number % 3], **{f"param_{n}": number * n for n in range(9)}}


def points(number: int) -> list[tuple[str, float, int]]:
    names = ("loss", "accuracy", "f1", "auc", "seconds")
    return [(name, (number * 7919 % 1000) / 1000 / (step + 1), step) for name in names for step in range(20)]


def make_reticent(size: int) -> None:
    import reticent

    for number in range(size):
        with reticent.start_run(f"run-{number}") as run:
            run.log_params(params(number))
            for point in points(number):
                run.log_metric(*point)
    assert reticent.flush(300)


def make_mlflow(size: int) -> None:
    from mlflow.entities import Metric, Param

    client, experiment = _mlflow()
    now = int(time.time() * 1000)
    for number in range(size):
        run = client.create_run(experiment, run_name=f"run-{number}").info.run_id
        metrics = [Metric(key, value, now, step) for key, value, step in points(number)]
        client.log_batch(run, metrics, [Param(key, str(value)) for key, value in params(number).items()])
        client.set_terminated(run)


def ask_reticent() -> dict[str, Query]:
    import reticent

    def load() -> None:
        run = reticent.get_run(run_id)
        assert len(run.metric_history("loss")) == 20
        assert run.params

    run_id = reticent.search_runs(max_results=1)[0].run_id
    return {
        "list": lambda: reticent.search_runs(max_results=50),
        "filter": lambda: reticent.search_runs(FILTER, max_results=50),
        "sort": lambda: reticent.search_runs(order_by=ORDER, max_results=50),
        "load one": load,
    }


def ask_mlflow() -> dict[str, Query]:
    client, experiment = _mlflow()

    def load() -> None:
        run = client.get_run(run_id)
        assert len(client.get_metric_history(run_id, "loss")) == 20
        assert run.data.params

    run_id = client.search_runs([experiment], max_results=1)[0].info.run_id
    return {
        "list": lambda: client.search_runs([experiment], max_results=50),
        "filter": lambda: client.search_runs([experiment], FILTER, max_results=50),
        "sort": lambda: client.search_runs([experiment], order_by=ORDER, max_results=50),
        "load one": load,
    }


def _mlflow() -> tuple[Any, str]:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{Path.cwd()}/mlflow.db")
    with suppress(Exception):  # the second process finds it
        client.create_experiment("bench")
    return client, client.get_experiment_by_name("bench").experiment_id


ASK: dict[str, Callable[[], dict[str, Query]]] = {"reticent": ask_reticent, "mlflow": ask_mlflow}
MAKE: dict[str, Callable[[int], None]] = {"reticent": make_reticent, "mlflow": make_mlflow}


def asked(loggers: list[str]) -> list[Row]:
    import reticent

    start = time.perf_counter()
    found = reticent.search_runs(max_results=None)
    first, size = time.perf_counter() - start, len(found)
    queries = {logger: ASK[logger]() for logger in loggers}
    rows: list[Row] = [
        {"runs": size, "query": "all of them, the first query", "ms": first * 1e3, "MLflow ms": "", "ratio": ""}
    ]
    for name in queries["reticent"]:
        tasks = {logger: _timed(queries[logger][name]) for logger in loggers}
        took = in_turns(tasks, rounds(10))
        peer = took.get("mlflow")
        rows.append(
            {
                "runs": size,
                "query": name,
                "ms": spread(took["reticent"]),
                "MLflow ms": spread(peer) if peer else "",
                "ratio": ratio(peer, took["reticent"]) if peer else "",
            }
        )
    return rows


def _timed(query: Query) -> Callable[[], float]:
    def timed() -> float:
        start = time.perf_counter()
        query()
        return (time.perf_counter() - start) * 1e3

    query()  # what is imported and prepared once
    return timed


if __name__ == "__main__":
    if sys.argv[1] == "make":
        MAKE[sys.argv[2]](int(sys.argv[3]))
    else:
        print("\n" + json.dumps(asked(sys.argv[2:])))
