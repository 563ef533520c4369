"""What do `import reticent` and `autolog()` add to the start of a process, in time and memory?

Whole processes in turns with a bare `python -c pass`, which is taken off within each turn; beside them MLflow's. With a
framework imported before, the time of the two statements and what the process grew by meanwhile; bare is then the import of
the framework in the same process. Memory is what is resident.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec

from benchmarks.environments import environment
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
HEAVY = (*FRAMEWORKS, "numpy", "requests", "rich", "sqlite3", "msgspec")

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
import time
empty, start = resident(), time.perf_counter()
import {framework}
before, imported = resident(), time.perf_counter()
import reticent; reticent.autolog()
print((time.perf_counter() - imported) * 1e3, resident() - before, end=" ")
print((imported - start) * 1e3, before - empty, flush=True)
"""
"""How long it takes where the framework is there before: its import takes seconds, which vary by more than this."""

Reading = tuple[float, float, float, float]
"""Milliseconds and megabytes that were added, and those without."""


def measure() -> list[Row]:
    told = in_turns({name: partial(whole, code) for name, code in {BARE: BARE, **OURS}.items()}, rounds(21))
    rows = [row(name, _added(told[name], told[BARE]), imported(code)) for name, code in OURS.items()]
    if find_spec("mlflow"):
        told = in_turns({code: partial(whole, code) for code in (BARE, SWITCHED, MLFLOW)}, rounds(3))
        ours, theirs = (_added(told[code], told[BARE]) for code in (SWITCHED, MLFLOW))
        rows.append(row(MLFLOW, theirs, "not asked", ours))
    late: dict[str, Callable[[], Reading]] = {
        f"{SWITCHED}` after `import {one}": partial(late_reading, LATE.format(framework=one))
        for one in filter(find_spec, FRAMEWORKS)
    }
    return rows + [row(name, found, "not asked") for name, found in in_turns(late, rounds(2)).items()]


def row(code: str, found: list[Reading], imports: str, ours: list[Reading] | None = None) -> Row:
    added, memory, bare, bare_memory = zip(*found, strict=True)
    return {
        "code": f"`{code}`",
        "bare ms": spread(bare),
        "added ms": spread(added),
        "times ours": ratio(added, [ms for ms, *_ in ours]) if ours else "",
        "bare MB": spread(bare_memory),
        "added MB": spread(memory),
        "imports of it": imports,
    }


def _added(processes: list[tuple[float, float]], bare: list[tuple[float, float]]) -> list[Reading]:
    """What there is more than in a bare process of the same turn."""
    pairs = zip(processes, bare, strict=True)
    return [(ms - bare_ms, mb - bare_mb, bare_ms, bare_mb) for (ms, mb), (bare_ms, bare_mb) in pairs]


def whole(code: str) -> tuple[float, float]:
    """The milliseconds and megabytes of a process."""
    start = time.perf_counter()
    memory = float(output(f"{code}\n{RESIDENT}print(resident(), flush=True)"))
    return (time.perf_counter() - start) * 1e3, memory


def late_reading(code: str) -> Reading:
    added, memory, bare, bare_memory = map(float, output(RESIDENT + code).split())
    return added, memory, bare, bare_memory


def imported(code: str) -> str:
    """Which of the heavy packages the code imported."""
    listing = f"{code}\nimport sys; print(*[name for name in {HEAVY!r} if name in sys.modules], flush=True)"
    return ", ".join(output(listing).split()) or "none"


def output(code: str) -> str:
    """What a process prints last that runs the code. By os._exit: what its end costs is not what is asked here."""
    command = [sys.executable, "-c", f"{code}\nimport os; os._exit(0)"]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        done = subprocess.run(command, env=environment({}), cwd=place, check=True, capture_output=True, text=True)
        return done.stdout.splitlines()[-1]
