"""The tables of the README: fewer columns than the results have, medians, and each number in the unit that fits it.

`python -m benchmarks --show [NAME...]` prints them of benchmarks/results/*.json.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

from benchmarks.turns import Row

RESULTS = Path(__file__).parent / "results"

Rows = list[dict[str, Any]]


def table(rows: list[Row]) -> str:
    """In Markdown, of rows that have the same keys."""
    columns = list(rows[0])
    lines = ["| " + " | ".join(columns) + " |", "| " + " | ".join("---" for _ in columns) + " |"]
    lines += ["| " + " | ".join(cell(row[column]) for column in columns) + " |" for row in rows]
    return "\n".join(lines)


def cell(value: object) -> str:
    if isinstance(value, dict):
        median, low, high = (cell(value[key]) for key in ("median", "p10", "p90"))
        return median if low == high else f"{median} ({low} to {high})"
    if isinstance(value, int):
        return f"{value:,}"
    if not isinstance(value, float):
        return str(value)
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def show(name: str) -> str:
    rows = rows_of(name)
    return table(SHOWN[name](rows) if name in SHOWN else rows)


def there() -> list[str]:
    """The benchmarks that have results."""
    return sorted(path.stem for path in RESULTS.glob("*.json"))


def result(name: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return result


def rows_of(name: str) -> Rows:
    rows: Rows = result(name)["rows"]
    return rows


def middle(value: Any, which: str = "median") -> float:
    return float(value[which] if isinstance(value, dict) else value)


def number(value: Any) -> str:
    """Two digits, or all of a number that has more in front of its point."""
    whole = middle(value) if value != "" else math.nan
    if math.isnan(whole):
        return ""
    if abs(whole) < 0.005:
        return "0"
    return f"{whole:,.{max(0, 1 - math.floor(math.log10(abs(whole))))}f}"


def _mb(value: Any) -> str:
    return f"{number(value) if middle(value) >= 1 else format(round(middle(value), 1) + 0.0, '.1f')} MB"


def _time(value: Any, unit: str, which: str = "median") -> str:
    """In us, ms or s, whichever makes it a short number."""
    if not isinstance(value, (dict, int, float)):
        return str(value)
    us = middle(value, which) * {"us": 1, "ms": 1e3, "s": 1e6}[unit]
    for least, name in ((1e6, "s"), (1e3, "ms"), (0, "us")):
        if abs(us) >= least:
            return f"{number(us / max(1, least))} {name}"
    raise AssertionError(us)


def log_call(rows: Rows) -> list[Row]:
    kills = {row["tracker"]: row for row in rows_of("crash")} if (RESULTS / "crash.json").exists() else {}
    most = max((row["kills"] for row in kills.values()), default=0)
    return [
        {
            "a point of one metric": row["tracker"],
            "p50": _time(row["p50 us"], "us"),
            "times ours": number(row["times ours"]),
            "p99": _time(row["p99 us"], "us"),
            "CPU, all threads": _time(row["CPU us a point"], "us")
            + (f", server {_time(server, 'us')}" if middle(server := row["server's CPU us a point"]) else ""),
            "memory": _mb(row["memory MB"]),
            "until closed": _time(row["closed after s"], "s"),
            "stored": f"{row['found']:,}" + ("" if row["found"] == row["points"] else f" of {row['points']:,}"),
            f"lost by {most} `kill -9`": f"{killed['lost']:,} of {killed['points whose call returned']:,}"
            if (killed := kills.get(row["tracker"]))
            else "",
        }
        for row in rows
    ]


def fits(rows: Rows) -> list[Row]:
    theirs = {(row["fit"], row["size"]): row for row in rows if row["logger"] == "mlflow"}
    no_model = {(row["fit"], row["size"]): row for row in rows if row["logger"] == "mlflow, no model"}
    few = max((row["fits"] for row in theirs.values()), default=0)
    nothing = "has none" if theirs else "not measured"
    shown: list[Row] = []
    for row in rows:
        if row["logger"] == "reticent":
            key = row["fit"], row["size"]
            peer = theirs.get(key)
            shown.append(
                {
                    "fit, the second and later ones": f"{row['fit']}, {row['size']}",
                    "bare": _time(row["bare ms"], "ms"),
                    "added, median": _time(row["added ms"], "ms"),
                    "p90": _time(row["added ms"], "ms", "p90"),
                    f"MLflow adds, of {few}": _time(peer["added ms"], "ms") if peer else nothing,
                    "without a model": _time(no_model[key]["added ms"], "ms") if key in no_model else "",
                    "processor, all threads": _time(row["added CPU ms"], "ms"),
                    "MLflow's": _time(peer["added CPU ms"], "ms") if peer else "",
                }
            )
    return shown


def growth(rows: Rows) -> list[Row]:
    """A row for what grows, in all its sizes."""
    shown: list[Row] = []
    for of_one in (list(group) for _, group in groupby(rows, lambda row: (row["fit"], row["grows"]))):
        first = of_one[0]
        shown.append(
            {
                "fit": first["fit"],
                "grows": ", ".join(format(row["of them"], ",") for row in of_one) + f" {first['grows']}",
                "others": first["others"],
                "bare": ", ".join(_time(row["bare ms"], "ms") for row in of_one),
                "added": ", ".join(_time(row["added ms"], "ms") for row in of_one),
                "processor, all threads": ", ".join(_time(row["added CPU ms"], "ms") for row in of_one),
            }
        )
    return shown


def scaling(rows: Rows) -> list[Row]:
    return [
        {
            "points": row["points"],
            "in open runs": row["runs"],
            "a call, p50": _time(row["call p50 us"], "us"),
            "CPU of a point, all threads": _time(row["CPU us a point"], "us"),
            "start and end of a run": _time(row["start and end ms a run"], "ms"),
            "memory grows by": _mb(row["memory grown MB"]),
            "the store has of a point": f"{number(row['store, bytes a point'])} bytes",
            "stored": row["stored"],
        }
        for row in rows
    ]


def delivery(rows: Rows) -> list[Row]:
    return [
        {
            "client": row["client"] + (f", to {row['to']}" if row["to"] != "mlflow" else ""),
            "points": f"{row['runs']:,} x {row['points'] // row['runs']:,}"
            + (f" in {row['in s']:g} s" if row["in s"] else ""),
            "rounds": row["rounds"],
            "points/s": number(row["points/s"]) if not row["in s"] else "as logged",
            "Reticent's rate, times": number(row["ours, times"]),
            "a call, p50 / p99": f"{_time(row['call p50 us'], 'us')} / {_time(row['call p99 us'], 'us')}",
            "end of the process": _time(row["end of the process s"], "s"),
            "requests": number(row["requests"]),
            "server's processor, a point": _time(row["of it us a point"], "us"),
            "lost, twice": f"{row['lost']:,}, {row['twice']:,}",
        }
        for row in rows
    ]


def startup(rows: Rows) -> list[Row]:
    return [
        {
            "start of a process": row["code"],
            "bare": _time(row["bare ms"], "ms"),
            "added": _time(row["added ms"], "ms"),
            "memory": _mb(row["added MB"]),
            "of the heavy packages it imports": row["imports of it"] if row["imports of it"] != "not asked" else "",
        }
        for row in rows
    ]


def script(rows: Rows) -> list[Row]:
    return [
        {
            "a script of eight trainings": row["script"],
            "wall": _time(row["wall s"], "s"),
            "processor, with threads and child processes": _time(row["processor s"], "s"),
        }
        for row in rows
    ]


def torch_steps(rows: Rows) -> list[Row]:
    return [
        {
            "a step of a plain loop in PyTorch": row["step"],
            "bare": _time(row["bare us"], "us"),
            "added, median": _time(row["added us"], "us"),
            "p90": _time(row["added us"], "us", "p90"),
            "by the clock": _time(row["added by the clock us"], "us"),
        }
        for row in rows
    ]


def endings(rows: Rows) -> list[Row]:
    def of_all(row: dict[str, Any], what: str) -> str:
        return " / ".join(
            filter(None, (_time(row[f"{name} {what}"], "s") for name in ("bare", "autologged", "MLflow's")))
        )

    return [
        {
            "bare / autologged / by MLflow": row["fit"],
            "the end of the process takes": of_all(row, "end s"),
            "of the processor": of_all(row, "end, processor s"),
            "the whole process, of the processor": of_all(row, "processor s in all"),
        }
        for row in rows
    ]


def faults(rows: Rows) -> list[Row]:
    return [
        {
            "the server": row["the server"] if row["the server"] != "none" else "works",
            "2,021 calls": _time(row["2,021 calls ms"], "ms"),
            "p99": _time(row["p99 us"], "us"),
            "end of the run": _time(row["end of the run ms"], "ms"),
            "by the fault": _time(row["by the fault ms"], "ms"),
            "exit, at most": _time(row["exit s, at most"], "s"),
            "exit code": row["exit codes"],
        }
        for row in rows
    ]


def models(rows: Rows) -> list[Row]:
    return [
        {
            "a model, beside MLflow 3": f"{row['flavour']}, {row['model']}",
            "the training waits for `log_model`": _time(row["log_model ms"], "ms"),
            "MLflow": _time(row["MLflow's log_model ms"], "ms"),
            "times ours": number(row["times ours"]),
            "memory": _mb(row["memory MB"]),
            "`load_model`": _time(row["load_model ms"], "ms"),
            "MLflow ": _time(row["its load_model ms"], "ms"),
        }
        for row in rows
    ]


def queries(rows: Rows) -> list[Row]:
    """A row for each number of runs, a column for each query."""
    shown: dict[int, Row] = {}
    for row in rows:
        ours, theirs = _time(row["ms"], "ms"), _time(row["MLflow ms"], "ms")
        of_size = shown.setdefault(row["runs"], {"a query, Reticent / MLflow's client": f"of {row['runs']:,} runs"})
        of_size[row["query"]] = f"{ours} / {theirs}" if theirs else ours
    return list(shown.values())


def redaction(rows: Rows) -> list[Row]:
    return [{key: value if key in ("what", "unit") else number(value) for key, value in row.items()} for row in rows]


def uploads(rows: Rows) -> list[Row]:
    return [
        {
            f"a file of {row['MB']:,} MB to S3": f"{row['client']}, {row['way']}",
            "MB/s": number(row["MB/s"]),
            "of boto3's": number(row["of boto3's"]),
            "the process grows by": _mb(row["memory grown MB"]),
        }
        for row in rows
    ]


SHOWN: dict[str, Callable[[Rows], list[Row]]] = {
    one.__name__: one
    for one in (
        log_call,
        fits,
        growth,
        scaling,
        delivery,
        startup,
        script,
        torch_steps,
        endings,
        faults,
        models,
        queries,
        redaction,
        uploads,
    )
}
