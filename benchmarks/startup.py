"""What do `import reticent` and `autolog()` add to the start of a process?

Wall time of whole processes, interleaved, the median of the differences to a bare `python -c pass` started just before.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

REPEATS = 15
CODES = {
    "import reticent": "import reticent",
    "import reticent; reticent.autolog()": "import reticent; reticent.autolog()",
    "import reticent, then the first run": "import reticent; reticent.start_run()",
}
HEAVY = ("sklearn", "xgboost", "numpy", "requests", "rich", "sqlite3", "wrapt", "msgspec")


def measure() -> list[dict[str, object]]:
    added: dict[str, list[float]] = {name: [] for name in CODES}
    for _ in range(REPEATS):
        for name, code in CODES.items():
            bare = seconds("pass")
            added[name].append(seconds(code) - bare)
    return [
        {
            "code": f"`{name}`",
            "added ms (median)": statistics.median(values) * 1e3,
            "p90 ms": sorted(values)[int(len(values) * 0.9)] * 1e3,
            "imports of it": imported(CODES[name]),
        }
        for name, values in added.items()
    ]


def seconds(code: str) -> float:
    # os._exit: what the end of a process costs is not what is asked here.
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"{code}\nimport os; os._exit(0)"], check=True, capture_output=True)
    return time.perf_counter() - start


def imported(code: str) -> str:
    """Which of the heavy packages the code imported."""
    listing = f"{code}\nimport sys; print(*[name for name in {HEAVY!r} if name in sys.modules], flush=True)"
    output = subprocess.run(
        [sys.executable, "-c", f"{listing}\nimport os; os._exit(0)"], check=True, capture_output=True, text=True
    )
    return ", ".join(output.stdout.split()) or "none"
