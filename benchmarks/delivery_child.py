"""A process of `benchmarks.delivery`: runs in threads, each logging its points at once, by one of the clients.

Prints the processor's time so far, waits for a line, trains, and prints when its last call returned and how long the calls
took; delivering what is left is the end of the process.
"""

from __future__ import annotations

import json
import sys
import time
from array import array
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

Log = Callable[[str, float, int], object]
Train = Callable[[Log], None]


def reticent(url: str, experiment: str) -> Callable[[str, Train], None]:
    import reticent

    reticent.configure(backends=[f"mlflow+{url}" if url.startswith("http") else url], exit_timeout_s=600)

    def training(name: str, train: Train) -> None:
        run = reticent.start_run(name, experiment=experiment, nested=False)
        train(run.log_metric)
        run.end()

    return training


BATCH = 1_000
"""The most that MLflow's server takes in one request."""


def log_batch(url: str, experiment: str) -> Callable[[str, Train], None]:
    from mlflow.entities import Metric

    client, experiment_id = _mlflow(url, experiment)

    def training(name: str, train: Train) -> None:
        run_id = client.create_run(experiment_id, run_name=name).info.run_id
        waiting: list[Metric] = []

        def send() -> None:
            client.log_batch(run_id, waiting)
            waiting.clear()

        def log(key: str, value: float, step: int) -> None:
            waiting.append(Metric(key, value, int(time.time() * 1000), step))
            if len(waiting) == BATCH:
                send()

        train(log)
        if waiting:
            send()
        client.set_terminated(run_id)

    return training


def log_metric(url: str, experiment: str) -> Callable[[str, Train], None]:
    client, experiment_id = _mlflow(url, experiment)

    def training(name: str, train: Train) -> None:
        run_id = client.create_run(experiment_id, run_name=name).info.run_id
        train(lambda key, value, step: client.log_metric(run_id, key, value, step=step))
        client.set_terminated(run_id)

    return training


def log_metric_async(url: str, experiment: str) -> Callable[[str, Train], None]:
    """Each run waits for what it has logged: `flush_async_logging` is for one thread, all of them share the queue."""
    client, experiment_id = _mlflow(url, experiment)

    def training(name: str, train: Train) -> None:
        run_id = client.create_run(experiment_id, run_name=name).info.run_id
        logged: list[Any] = []

        def log(key: str, value: float, step: int) -> None:
            logged.append(client.log_metric(run_id, key, value, step=step, synchronous=False))

        train(log)
        for operation in logged:
            operation.wait()
        client.set_terminated(run_id)

    return training


def _mlflow(url: str, experiment: str) -> tuple[Any, str]:
    import mlflow

    mlflow.set_tracking_uri(url)
    client = mlflow.MlflowClient()
    return client, client.get_experiment_by_name(experiment).experiment_id


CLIENTS: dict[str, Callable[[str, str], Callable[[str, Train], None]]] = {
    "reticent": reticent,
    "mlflow, log_batch": log_batch,
    "mlflow": log_metric,
    "mlflow, async": log_metric_async,
}


def main(client: str, url: str, experiment: str, first: int, runs: int, points: int, pause_s: float) -> None:
    clock = time.perf_counter_ns
    training = CLIENTS[client](url, experiment)
    times: list[array[int]] = []

    def train(log: Log) -> None:
        mine = array("q", bytes(8 * points))
        for step in range(points):
            start = clock()
            log("loss", 1 / (step + 1), step)
            mine[step] = clock() - start
            if pause_s:
                time.sleep(pause_s)
        times.append(mine)
        last[0] = time.monotonic()

    last = [0.0]
    print(time.process_time(), flush=True)
    sys.stdin.readline()
    with ThreadPoolExecutor(runs) as pool:
        list(pool.map(lambda number: training(f"run-{number}", train), range(first, first + runs)))
    every = sorted(one for mine in times for one in mine)
    # Every so many-th: a pipe that is full would keep the process from its end.
    told: dict[str, Any] = {"last": last[0], "ns": every[:: max(1, len(every) // 1000)]}
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    _, *texts, number, runs, points, pause = sys.argv
    main(*texts, int(number), int(runs), int(points), float(pause))
