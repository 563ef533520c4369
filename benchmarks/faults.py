"""What does a training gain by an MLflow server that fails?

One script, bare and with Reticent delivering through each fault: the times of all its calls on the training thread (start of
the run, 2,000 metrics, 20 params, a text, end of the run), beside those with a server that works, and how long the process
then takes to exit with a deadline of a second. It exits with code 3. In turns; by the fault is what is more than with the
server that works, in the same turn.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.services.faults import Fault, FaultyProxy, flapping, garbage, hang, lost_answer, reset, slow, status
from tests.services.servers import free_port, mlflow_server

from benchmarks.environments import environment
from benchmarks.turns import Row, in_turns, rounds, spread

WORKS = "none"
EXIT_S = 1

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
    time.sleep(0.0005)
with timed():
    reticent.log_text("some text", "notes/a.txt")
with timed():
    reticent.end_run()
print(json.dumps([times, time.monotonic()]), flush=True)
sys.exit(3)
"""

FAULTS: dict[str, Fault] = {
    "hangs": hang,
    "1 byte/s": slow(1),
    "resets": reset,
    "flaps: half a second up, half a second down": flapping(0.5),
    "its answers are lost": lost_answer,
    "garbage": garbage,
    "429, Retry-After: 30": status(429, {"Retry-After": "30"}),
    "500": status(500),
    "503": status(503),
}


def measure() -> list[Row]:
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(mlflow_server(place / "server"))
        backends = {"bare": "bare", WORKS: f"mlflow+{server.url}"}
        for name, fault in FAULTS.items():
            proxy = stack.enter_context(FaultyProxy(server.url))
            proxy.fails(fault)
            backends[name] = f"mlflow+{proxy.url}"
        backends["nobody listens"] = f"mlflow+http://127.0.0.1:{free_port()}"
        half_open = stack.enter_context(listening())
        backends["half-open: connects, and that is all"] = f"mlflow+http://127.0.0.1:{half_open}"
        backends["the name has no address"] = "mlflow+http://tracking.invalid:5000"
        told = in_turns({name: partial(trained, backend) for name, backend in backends.items()}, rounds(2))
    return [row(name, found, told[WORKS]) for name, found in told.items()]


@dataclass(frozen=True)
class Training:
    """The times of its calls, the seconds from its last line to its exit, and its exit code."""

    times: list[float]
    exit_s: float
    code: int

    @property
    def after_start_ms(self) -> float:
        return sum(self.times[1:]) * 1e3


@contextmanager
def listening() -> Iterator[int]:
    """A port that takes connections, from which nothing is ever read."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as one:
        yield int(one.getsockname()[1])


def row(fault: str, found: list[Training], working: list[Training]) -> Row:
    """`working` is what a server does to it that works; the start is imports, before there is anything to deliver."""
    every = [one.times for one in found]
    by_the_fault = [one.after_start_ms - other.after_start_ms for one, other in zip(found, working, strict=True)]
    return {
        "the server": fault,
        "start of the run ms": spread(times[0] * 1e3 for times in every),
        "2,021 calls ms": spread(sum(times[1:-1]) * 1e3 for times in every),
        "p99 us": spread(sorted(times[1:-1])[int(len(times) * 0.99)] * 1e6 for times in every),
        "end of the run ms": spread(times[-1] * 1e3 for times in every),
        "by the fault ms": spread(by_the_fault) if fault not in ("bare", WORKS) else "",
        "exit s, at most": max(one.exit_s for one in found),
        "exit codes": ", ".join(map(str, sorted({one.code for one in found}))),
    }


def trained(backend: str) -> Training:
    own = {"RETICENT_BACKENDS": backend, "RETICENT_EXIT_TIMEOUT_S": str(EXIT_S)}
    with tempfile.TemporaryDirectory() as place:
        told = Path(place, "told")
        with told.open("wb") as file:  # not a pipe: who goes on beside could hold that open
            done = subprocess.run(
                [sys.executable, "-c", TRAINING, backend],
                env=environment(own | {"RETICENT_DIR": f"{place}/root"}),
                stdout=file,
                stderr=subprocess.DEVNULL,
            )
        exited = time.monotonic()
        times, ended = json.loads(told.read_text())
    return Training(times, exited - ended, done.returncode)
