"""Run the benchmarks named on the command line, or all; tables to the terminal, JSON to `benchmarks/results/`."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

from benchmarks.machine import describe

ALL = (
    "log_call",
    "startup",
    "fits",
    "torch_steps",
    "script",
    "endings",
    "models",
    "redaction",
    "delivery",
    "uploads",
    "faults",
)
RESULTS = Path(__file__).parent / "results"


def main(names: list[str]) -> None:
    machine = describe()
    print(f"machine: {machine}\n")
    RESULTS.mkdir(exist_ok=True)
    for name in names or ALL:
        module = importlib.import_module(f"benchmarks.{name}")
        question = (module.__doc__ or "").strip().splitlines()[0]
        print(f"## {question}\n")
        rows = module.measure()
        print(table(rows), "\n", flush=True)
        (RESULTS / f"{name}.json").write_text(
            json.dumps({"question": question, "machine": machine, "rows": rows}, indent=1) + "\n"
        )


def table(rows: list[dict[str, object]]) -> str:
    """A Markdown table of rows that have the same keys."""
    columns = list(rows[0])
    lines = ["| " + " | ".join(columns) + " |", "| " + " | ".join("---" for _ in columns) + " |"]
    lines += ["| " + " | ".join(cell(row[column]) for column in columns) + " |" for row in rows]
    return "\n".join(lines)


def cell(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


if __name__ == "__main__":
    main(sys.argv[1:])
