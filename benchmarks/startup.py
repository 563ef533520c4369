"""What do `import reticent` and `autolog()` add to the start of a process, in time and memory?

Whole processes in turns with a bare `python -c pass`, which is taken off within each turn; beside them MLflow's. With a
framework imported before, the time of the two statements and what the process grew by meanwhile. Memory is what is resident.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec

from benchmarks.turns import Row, in_turns, ratio, rounds, spread

BARE = "pass"
IMPORTED, SWITCHED = "import reticent", "import reticent; reticent.autolog()"
OURS = {IMPORTED: IMPORTED, SWITCHED: SWITCHED, f"{IMPORTED}, then the first run": f"{IMPORTED}; reticent.start_run()"}
MLFLOW = "import mlflow; mlflow.autolog()"
FRAMEWORKS = (
    "sklearn",
    "xgboost",
    "lightgbm",
    "catboost",
    "statsmodels.api",
    "keras",
    "lightning",
    "transformers",
    "torch",
)
HEAVY = (*FRAMEWORKS, "numpy", "requests", "rich", "sqlite3", "wrapt", "msgspec")

RESIDENT = """
import os
def resident():
    try:
        pages = int(open("/proc/self/statm").read().split()[1])
    except OSError:
        return float("nan")
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
"""
LATE = """
import {framework}
import time
before, start = resident(), time.perf_counter()
import reticent; reticent.autolog()
print((time.perf_counter() - start) * 1e3, resident() - before, flush=True)
"""
"""How long it takes where the framework is there before: its import takes seconds, which vary by more than this."""

Reading = tuple[float, float]
"""Milliseconds and megabytes."""


def measure() -> list[Row]:
    told = in_turns({name: partial(whole, code) for name, code in {BARE: BARE, **OURS}.items()}, rounds(10))
    rows = [row(name, _less(told[name], told[BARE]), imported(code)) for name, code in OURS.items()]
    if find_spec("mlflow"):
        told = in_turns({code: partial(whole, code) for code in (BARE, SWITCHED, MLFLOW)}, rounds(3))
        ours, theirs = (_less(told[code], told[BARE]) for code in (SWITCHED, MLFLOW))
        rows.append(row(MLFLOW, theirs, "not asked", ours))
    late: dict[str, Callable[[], Reading]] = {
        f"{SWITCHED}` after `import {one}": partial(reading, LATE.format(framework=one))
        for one in filter(find_spec, FRAMEWORKS)
    }
    return rows + [row(name, found, "not asked") for name, found in in_turns(late, rounds(2)).items()]


def row(code: str, found: list[Reading], imports: str, ours: list[Reading] | None = None) -> Row:
    times = [ms for ms, _ in found]
    return {
        "code": f"`{code}`",
        "added ms": spread(times),
        "times ours": ratio(times, [ms for ms, _ in ours]) if ours else "",
        "memory MB": spread(memory for _, memory in found),
        "imports of it": imports,
    }


def _less(readings: list[Reading], bare: list[Reading]) -> list[Reading]:
    """What there is more than in a bare process of the same turn."""
    return [(ms - less_ms, mb - less_mb) for (ms, mb), (less_ms, less_mb) in zip(readings, bare, strict=True)]


def whole(code: str) -> Reading:
    start = time.perf_counter()
    memory = float(output(f"{code}\n{RESIDENT}print(resident(), flush=True)"))
    return (time.perf_counter() - start) * 1e3, memory


def reading(code: str) -> Reading:
    ms, memory = map(float, output(RESIDENT + code).split())
    return ms, memory


def imported(code: str) -> str:
    """Which of the heavy packages the code imported."""
    listing = f"{code}\nimport sys; print(*[name for name in {HEAVY!r} if name in sys.modules], flush=True)"
    return ", ".join(output(listing).split()) or "none"


def output(code: str) -> str:
    """What a process prints last that runs the code. By os._exit: what its end costs is not what is asked here."""
    command = [sys.executable, "-c", f"{code}\nimport os; os._exit(0)"]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        return subprocess.run(command, check=True, capture_output=True, text=True, cwd=place).stdout.splitlines()[-1]
