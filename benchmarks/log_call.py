"""What does one `log_metric` cost the training thread, and the whole process?

1,000,000 calls with the SQLite backend following, each timed by itself; the cost of reading the clock, measured in the
same process, is told beside it and not taken off. Times are of the last 800,000 calls. CPU is of the whole process, all
threads, until every point is stored, less that of an equal loop that only reads the clock. The embedded store's own count
says how many points arrived.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile

CALLS = 1_000_000

SCRIPT = """
import json, os, resource, sqlite3, sys, time
from array import array
calls = int(sys.argv[1])
clock = time.perf_counter_ns

def loop(call, times):
    for step in range(len(times)):
        start = clock()
        call("loss", 0.5, step)
        times[step] = clock() - start

def nothing(key, value, step):
    pass

import reticent
run = reticent.start_run("bench", run_id="bench")
call = {"function": reticent.log_metric, "method": run.log_metric}[sys.argv[2]]
times, empty = array("q", bytes(8 * (calls - calls // 5))), array("q", bytes(8 * calls))
cpu = time.process_time()
loop(nothing, empty)
bare = time.process_time() - cpu
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
begin = array("q", bytes(8 * (calls // 5)))
memory = peak()
cpu, wall = time.process_time(), time.perf_counter()
loop(call, begin)
assert reticent.flush(120)
fifth = peak() - memory
loop(call, times)
run.end()
assert reticent.flush(120)
cpu = time.process_time() - cpu - bare
delivered = time.perf_counter() - wall
grown = peak() - memory
stored = sqlite3.connect(os.environ["RETICENT_DIR"] + "/reticent.db").execute("SELECT count(*) FROM metric").fetchone()[0]
times, empty = sorted(times), sorted(empty)
at = lambda sample, share: sample[int(len(sample) * share)]
print(json.dumps({
    "call": sys.argv[2],
    "p50 us": at(times, 0.5) / 1e3, "p99 us": at(times, 0.99) / 1e3, "p99.9 us": at(times, 0.999) / 1e3,
    "of it clock us": at(empty, 0.5) / 1e3,
    "CPU us per metric, all threads": cpu / calls * 1e6,
    "all stored after s": delivered, "memory grown MB, at 1/5": fifth, "memory grown MB, at the end": grown,
    "stored": stored,
}))
"""


def measure() -> list[dict[str, object]]:
    return [one("function"), one("method")]


def one(call: str) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as root:
        output = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(CALLS), call],
            env={**os.environ, "RETICENT_DIR": root},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    row: dict[str, object] = json.loads(output)
    return row
