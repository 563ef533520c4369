"""Does a point cost the same after 10,000,000 points as after 1,000, and in 1,000 runs as in one?

One run with 1,000 to 10,000,000 points, and 1,000,000 points in turn to 10 to 1,000 open runs of one process, the SQLite
backend following. The time of a call is the median of calls one by one; the processor's time, of all threads, is that from
the first call until every point is stored, less that of an equal loop that calls nothing. Starting and ending the runs is
not in it, and is told by itself.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from benchmarks.environments import environment
from benchmarks.turns import Row, rounds, say, spread

POINTS = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
RUNS = (1, 10, 100, 1_000)
POINTS_OF_RUNS = 1_000_000
ONCE = 10_000_000
"""So many points take half a minute: that case is measured once."""
LIMIT_S = 300


def measure() -> list[Row]:
    cases = [(1, points) for points in POINTS] + [(runs, POINTS_OF_RUNS) for runs in RUNS[1:]]
    told: dict[tuple[int, int], list[dict[str, float]]] = {case: [] for case in cases}
    times = rounds(2)
    for number in range(times):
        for runs, points in cases:
            if number == 0 or points < ONCE:
                say(f"{points} points in {runs} runs, {number + 1} of {times}")
                told[runs, points].append(_case(runs, points))
    return [
        {
            "runs": runs,
            "points": points,
            "rounds": len(found),
            "call p50 us": spread(one["p50 us"] for one in found),
            "call p99 us": spread(one["p99 us"] for one in found),
            "CPU us a point": spread(one["CPU us"] for one in found),
            "start and end ms a run": spread(one["ms a run"] for one in found),
            "memory grown MB": spread(one["memory MB"] for one in found),
            "store, bytes a point": spread(one["store bytes"] for one in found),
            "stored": int(min(one["stored"] for one in found)),
        }
        for (runs, points), found in told.items()
    ]


def _case(runs: int, points: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as place:
        quiet = {"RETICENT_DIR": f"{place}/root", "RETICENT_CAPTURE": '{"git": false, "system_s": 0}'}
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.scaling", str(runs), str(points)],
            env=environment(quiet),
            cwd=place,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
        )
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def logged(number: int, points: int) -> dict[str, float]:
    import reticent

    before = time.process_time()
    runs = [reticent.start_run(f"run-{one}", nested=False) for one in range(number)]
    assert reticent.flush(LIMIT_S)
    around = time.process_time() - before
    calls, nothing = [run.log_metric for run in runs], [_nothing] * number
    times, memory = array("q"), psutil.Process().memory_info().rss
    before = time.process_time()
    _loop(calls, points, times)
    assert reticent.flush(LIMIT_S)
    busy, grown = time.process_time() - before, psutil.Process().memory_info().rss - memory
    before = time.process_time()
    _loop(nothing, points, array("q"))
    bare = time.process_time() - before
    before = time.process_time()
    for run in runs:
        run.end()
    assert reticent.flush(LIMIT_S)
    around += time.process_time() - before
    root, taken = Path(os.environ["RETICENT_DIR"]), sorted(times)
    with sqlite3.connect(root / "reticent.db") as store:
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # what is still in its write-ahead log counts too
        stored = store.execute("SELECT count(*) FROM metric").fetchone()[0]
    return {
        "p50 us": taken[len(taken) // 2] / 1e3,
        "p99 us": taken[int(len(taken) * 0.99)] / 1e3,
        "CPU us": (busy - bare) / points * 1e6,
        "ms a run": around / number * 1e3,
        "memory MB": grown / 1e6,
        "store bytes": (root / "reticent.db").stat().st_size / points,
        "stored": stored,
    }


def _loop(calls: Sequence[Callable[[str, float, int], object]], points: int, times: array[int]) -> None:
    """Each run in turn; of the calls up to 100,000 are timed one by one."""
    clock, number, every = time.perf_counter_ns, len(calls), max(1, points // 100_000)
    for step in range(points):
        call = calls[step % number]
        if step % every:
            call("loss", 0.5, step)
        else:
            start = clock()
            call("loss", 0.5, step)
            times.append(clock() - start)


def _nothing(_key: str, _value: float, _step: int) -> None:
    pass


if __name__ == "__main__":
    print("\n" + json.dumps(logged(int(sys.argv[1]), int(sys.argv[2]))))
