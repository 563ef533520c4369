"""What do `import reticent` and `autolog()` add to the start of a process?

Wall time of whole processes, interleaved, the median of the differences to a bare `python -c pass` started just before;
with a framework imported before, the wall time of the two statements.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from importlib.util import find_spec

REPEATS = 15
CODES = {
    "import reticent": "import reticent",
    "import reticent; reticent.autolog()": "import reticent; reticent.autolog()",
    "import reticent, then the first run": "import reticent; reticent.start_run()",
}
FRAMEWORKS = (
    "sklearn",
    "xgboost",
    "lightgbm",
    "catboost",
    "statsmodels",
    "keras",
    "lightning",
    "transformers",
    "torch",
)
HEAVY = (*FRAMEWORKS, "numpy", "requests", "rich", "sqlite3", "wrapt", "msgspec")

LATE = """
import {framework}
import time
start = time.perf_counter()
import reticent; reticent.autolog()
print(time.perf_counter() - start, flush=True)
"""
"""How long it takes where the framework is there before: its import takes seconds, which vary by more than this."""


def measure() -> list[dict[str, object]]:
    added: dict[str, list[float]] = {name: [] for name in CODES}
    for _ in range(REPEATS):
        for name, code in CODES.items():
            bare = seconds("pass")
            added[name].append(seconds(code) - bare)
    rows = [_row(f"`{name}`", values, imported(CODES[name])) for name, values in added.items()]
    for framework in filter(find_spec, FRAMEWORKS):
        late = [float(output(LATE.format(framework=framework))) for _ in range(REPEATS // 3)]
        rows.append(_row(f"`import reticent; reticent.autolog()` after `import {framework}`", late, "not asked"))
    return rows


def _row(code: str, values: list[float], imports: str) -> dict[str, object]:
    return {
        "code": code,
        "added ms (median)": statistics.median(values) * 1e3,
        "p90 ms": sorted(values)[int(len(values) * 0.9)] * 1e3,
        "imports of it": imports,
    }


def seconds(code: str) -> float:
    start = time.perf_counter()
    output(code)
    return time.perf_counter() - start


def imported(code: str) -> str:
    """Which of the heavy packages the code imported."""
    listing = f"{code}\nimport sys; print(*[name for name in {HEAVY!r} if name in sys.modules], flush=True)"
    return ", ".join(output(listing).split()) or "none"


def output(code: str) -> str:
    """What a process prints that runs the code. By os._exit: what its end costs is not what is asked here."""
    command = [sys.executable, "-c", f"{code}\nimport os; os._exit(0)"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
