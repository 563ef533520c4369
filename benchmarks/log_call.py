"""What does one point cost the training thread, and the whole process, beside other trackers?

A process per tracker and round, in turns. It logs points of one metric as fast as it can, each call timed by itself; the
clock's 0.1 us is in the times. CPU is of the process and its children, all threads, from the first call until everything is
stored, less that of an equal loop that calls nothing; an MLflow server's is told beside it. Memory is what the process and
its children have more after the last call than before the tracker was imported. Closed is from the last call to the end of
the process. In the end another process asks each tracker's own reader how many points there are of the last round. A tracker
that is slower logs fewer points.
"""

from __future__ import annotations

import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.tracker_processes import Server, answer, installed, mlflow_server, prepare
from benchmarks.trackers import TRACKERS
from benchmarks.turns import Row, Spread, in_turns, ratio, rounds, say, spread

US = "reticent.log_metric"

Told = dict[str, Any]


def measure() -> list[Row]:
    pythons = installed(TRACKERS)
    with ExitStack() as stack:
        root = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        server = stack.enter_context(mlflow_server()) if "mlflow, HTTP" in pythons else None
        of_server = {name: server if "HTTP" in name else None for name in pythons}
        told = in_turns(
            {name: partial(logged, python, name, root, of_server[name]) for name, python in pythons.items()}, rounds(3)
        )

        def read(name: str) -> int:
            return int(answer(pythons[name], "read", name, told[name][-1]["place"], of_server[name]))

        say("what has arrived")
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # how long it takes to read is not asked
            found = dict(zip(told, pool.map(read, told), strict=True))
    return [row(name, every, told[US], found[name]) for name, every in told.items()]


def logged(python: str, name: str, root: str, server: Server | None) -> Told:
    calls, place = TRACKERS[name].calls, Path(tempfile.mkdtemp(dir=root))
    prepare(name, place)
    before = server.processor_s() if server else 0.0
    told: Told = answer(python, "log", name, place, server, calls)
    told["closed s"] = time.monotonic() - told["returned"]
    told["server us"] = (server.processor_s() - before) / calls * 1e6 if server else 0.0
    return told | {"place": place}


def row(name: str, told: list[Told], ours: list[Told], found: int) -> Row:
    def of(key: str) -> Spread:
        return spread(one[key] for one in told)

    return {
        "tracker": name,
        "version": told[0]["version"],
        "p50 us": of("p50 us"),
        "times ours": ratio([one["p50 us"] for one in told], [one["p50 us"] for one in ours]),
        "p99 us": of("p99 us"),
        "max us": of("max us"),
        "CPU us a point": of("CPU us"),
        "server's CPU us a point": of("server us"),
        "memory MB": of("memory MB"),
        "closed after s": of("closed s"),
        "points": TRACKERS[name].calls,
        "found": found,
    }
