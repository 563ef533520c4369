"""Run the benchmarks named on the command line, or all: tables to the terminal and the README, JSON to benchmarks/results.

`--show [NAME...]` measures nothing and prints the README's tables of the results that there are.

Each module asks a question in the first line of its docstring, and answers by rows that have the same keys. A number in a
row that was measured several times is a dict of its median, p10 and p90.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
import traceback

from benchmarks.machine import describe, told
from benchmarks.pages import into_pages
from benchmarks.pictures import draw
from benchmarks.shown import RESULTS, show, table
from benchmarks.turns import say_no_more

ALL = (
    "log_call",
    "crash",
    "fits",
    "growth",
    "scaling",
    "delivery",
    "startup",
    "script",
    "torch_steps",
    "gpu",
    "redaction",
    "labelled",
    "endings",
    "models",
    "queries",
    "faults",
    "uploads",
)
"""What is asked most comes first: a run that is cut off has that."""


def main(names: list[str]) -> int:
    if shown := names[:1] == ["--show"]:
        names = names[1:]
    unknown = [name for name in names if name not in ALL]
    if unknown:
        print(f"There is no benchmark {', '.join(unknown)}; there is: {', '.join(ALL)}", file=sys.stderr)
        return 2
    if shown:
        there = [name for name in names or ALL if (RESULTS / f"{name}.json").exists()]
        print(*(f"{name}\n\n{show(name)}\n" for name in there), sep="\n")
        return 0
    measured: list[str] = []
    failed, start = [], time.monotonic()
    wanted = names or ALL
    machine = describe()
    print(f"{told(machine)}, load {machine['load']}\n", flush=True)
    try:
        for number, name in enumerate(wanted, 1):
            try:
                if answer(name, f"{number} of {len(wanted)}"):
                    measured.append(name)
            except Exception:  # noqa: BLE001 - the others are still to be measured
                say_no_more()
                traceback.print_exc()
                failed.append(name)
    finally:
        into_pages(measured)  # also of what there is when somebody has enough
        draw_all()
    print(f"All of it took {(time.monotonic() - start) / 60:.0f} minutes.")
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


def answer(name: str, place: str) -> bool:
    """Measure, and say what was found; whether there was anything to measure."""
    module = importlib.import_module(f"benchmarks.{name}")
    question = (module.__doc__ or "").strip().splitlines()[0]
    print(f"## {question} ({name}, {place})\n", flush=True)
    machine, start = describe(), time.monotonic()
    rows = module.measure()
    took = time.monotonic() - start
    say_no_more()
    print(table(rows) if rows else "Nothing to measure here.", f"\n\n{took:.0f} s\n", flush=True)
    if rows:
        content = {"question": question, "machine": machine, "seconds": round(took), "rows": rows}
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")
    return bool(rows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
