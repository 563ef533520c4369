"""Run the benchmarks named on the command line, or all; tables to the terminal, JSON to `benchmarks/results/`.

Each module asks a question in the first line of its docstring, and answers by rows that have the same keys. A number in a
row that was measured several times is a dict of its median, p10 and p90.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
import traceback
from pathlib import Path

from benchmarks.machine import describe, told
from benchmarks.pictures import draw
from benchmarks.turns import Row, say_no_more

ALL = (
    "log_call",
    "startup",
    "fits",
    "torch_steps",
    "gpu",
    "script",
    "endings",
    "models",
    "redaction",
    "delivery",
    "uploads",
    "crash",
    "queries",
    "scaling",
    "faults",
)
RESULTS = Path(__file__).parent / "results"


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in ALL]
    if unknown:
        print(f"There is no benchmark {', '.join(unknown)}; there is: {', '.join(ALL)}", file=sys.stderr)
        return 2
    failed = []
    wanted = names or ALL
    print(f"{told(describe())}\n", flush=True)
    for number, name in enumerate(wanted, 1):
        try:
            answer(name, f"{number} of {len(wanted)}")
        except Exception:  # noqa: BLE001 - the others are still to be measured
            say_no_more()
            traceback.print_exc()
            failed.append(name)
    draw_all()
    if failed:
        print(f"Failed: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


def draw_all() -> None:
    try:
        drawn = draw()
    except ImportError:
        print("No pictures: matplotlib is not installed.", file=sys.stderr)
        return
    print("Drawn:", *(path.name for path in drawn))


def answer(name: str, place: str) -> None:
    module = importlib.import_module(f"benchmarks.{name}")
    question = (module.__doc__ or "").strip().splitlines()[0]
    print(f"## {question} ({name}, {place})\n", flush=True)
    machine, start = describe(), time.time()
    rows = module.measure()
    took = time.time() - start
    say_no_more()
    print(table(rows) if rows else "Nothing to measure here.", f"\n\n{took:.0f} s\n", flush=True)
    if rows:
        content = {"question": question, "machine": machine, "seconds": round(took), "rows": rows}
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")


def table(rows: list[Row]) -> str:
    """A Markdown table of rows that have the same keys."""
    columns = list(rows[0])
    lines = ["| " + " | ".join(columns) + " |", "| " + " | ".join("---" for _ in columns) + " |"]
    lines += ["| " + " | ".join(cell(row[column]) for column in columns) + " |" for row in rows]
    return "\n".join(lines)


def cell(value: object) -> str:
    if isinstance(value, dict):
        median, low, high = (cell(value[key]) for key in ("median", "p10", "p90"))
        return median if low == high else f"{median} ({low} to {high})"
    if not isinstance(value, float):
        return str(value)
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
