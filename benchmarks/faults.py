"""What does a training gain by an MLflow server that fails?

One script, bare and with Reticent delivering through each fault: the times of all its calls on the training thread (start of
the run, 2,000 metrics, 20 params, a text, end of the run), beside those with a server that works, and how long the process
then takes to exit with a deadline of two seconds. It exits with code 3.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from tests.services.faults import Fault, FaultyProxy, garbage, hang, lost_answer, reset, slow, status
from tests.services.servers import free_port, mlflow_server

REPEATS = 3
EXIT_S = 2

TRAINING = """
import contextlib, json, sys, time
times = []

@contextlib.contextmanager
def timed():
    began = time.perf_counter()
    yield
    times.append(time.perf_counter() - began)

if sys.argv[1] == "bare":
    class reticent:
        start_run = lambda *_, **__: None
        log_metric = log_param = log_text = end_run = start_run
else:
    import reticent
with timed():
    reticent.start_run("trained")
for number in range(20):
    with timed():
        reticent.log_param(f"p{number}", number)
for step in range(2000):
    with timed():
        reticent.log_metric("loss", 1 / (step + 1), step=step)
    time.sleep(0.001)
with timed():
    reticent.log_text("some text", "notes/a.txt")
with timed():
    reticent.end_run()
print(json.dumps([times, time.time()]), flush=True)
sys.exit(3)
"""
FAULTS: dict[str, Fault] = {
    "hangs": hang,
    "1 byte/s": slow(1),
    "resets": reset,
    "its answers are lost": lost_answer,
    "garbage": garbage,
    "429, Retry-After: 30": status(429, {"Retry-After": "30"}),
    "500": status(500),
    "503": status(503),
}


def measure() -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(mlflow_server(place / "server"))
        half_open = stack.enter_context(listening())
        rows.append(row("bare", "bare"))
        rows.append(row("none", f"mlflow+{server.url}"))
        for name, fault in FAULTS.items():
            with FaultyProxy(server.url) as proxy:
                proxy.fails(fault)
                rows.append(row(name, f"mlflow+{proxy.url}"))
        rows.append(row("nobody listens", f"mlflow+http://127.0.0.1:{free_port()}"))
        rows.append(row("half-open: connects, and that is all", f"mlflow+http://127.0.0.1:{half_open}"))
        rows.append(row("the name has no address", "mlflow+http://tracking.invalid:5000"))
    for one in rows[2:]:  # without the start, which is imports, before there is anything to deliver
        one["by the fault ms"] = _after_start(one) - _after_start(rows[1])
    return rows


@contextmanager
def listening() -> Iterator[int]:
    """A port that takes connections, from which nothing is ever read."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as one:
        yield int(one.getsockname()[1])


def row(fault: str, backend: str) -> dict[str, object]:
    """Medians of some repeats, but for the end of the process."""
    print(f"{fault}...", file=sys.stderr, flush=True)
    found = [trained(backend) for _ in range(REPEATS)]
    every = [times for times, _, _ in found]
    return {
        "the server": fault,
        "start of the run ms": median(times[0] for times in every) * 1e3,
        "2,021 calls ms": median(sum(times[1:-1]) for times in every) * 1e3,
        "p99 us": median(sorted(times[1:-1])[int(len(times) * 0.99)] for times in every) * 1e6,
        "end of the run ms": median(times[-1] for times in every) * 1e3,
        "by the fault ms": "",
        "exit s, at most": max(one[1] for one in found),
        "exit codes": ", ".join(map(str, sorted({one[2] for one in found}))),
    }


def _after_start(row: dict[str, object]) -> float:
    return float(str(row["2,021 calls ms"])) + float(str(row["end of the run ms"]))


def trained(backend: str) -> tuple[list[float], float, int]:
    """The times of its calls, the seconds from its last line to its exit, and its exit code."""
    with tempfile.TemporaryDirectory() as root:
        done = subprocess.run(
            [sys.executable, "-c", TRAINING, backend],
            env={
                **os.environ,
                "RETICENT_DIR": root,
                "RETICENT_BACKENDS": backend,
                "RETICENT_EXIT_TIMEOUT_S": str(EXIT_S),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        exited = time.time()
    times, ended = json.loads(done.stdout)
    return times, exited - ended, done.returncode
