"""The tables of the README: fewer columns than the results have, medians, and each number in the unit that fits it.

`python -m benchmarks --show [NAME...]` prints them of benchmarks/results/*.json; the benchmarks put them into the pages.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from benchmarks.machine import told
from benchmarks.turns import Row

RESULTS = Path(__file__).parent / "results"
ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", ROOT / "docs/benchmarks.md")
_PLACE = re.compile(r"(<!-- benchmark (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

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
    rows = _rows(name)
    return table(SHOWN[name](rows) if name in SHOWN else rows)


def into_pages(measured: Collection[str]) -> None:
    """Put the tables of what was measured, and what is told of all results, where a page has a place for them."""

    def filled(place: re.Match[str]) -> str:
        if place[2] not in (*OF_ALL, *measured):
            return place[0]
        text = OF_ALL[place[2]]() if place[2] in OF_ALL else show(place[2])
        return f"{place[1]}\n{text}\n\n{place[3]}"

    for page in PAGES:
        page.write_text(_PLACE.sub(filled, page.read_text()))


def _result(name: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return result


def _rows(name: str) -> Rows:
    rows: Rows = _result(name)["rows"]
    return rows


def _there() -> list[str]:
    return sorted(path.stem for path in RESULTS.glob("*.json"))


def machine() -> str:
    """A paragraph for each machine and commit that results are of, and the versions of what is compared."""
    made: dict[str, dict[str, float]] = {}
    for name in _there():
        by = _result(name)["machine"]
        if isinstance(by, str):  # an earlier form of the benchmarks
            made.setdefault(by, {})[name] = math.nan
            continue
        disk, commit = by.get("temporary files"), by.get("commit")
        where = told(by) + f", temporary files on {disk}" * bool(disk) + f", commit {commit}" * bool(commit)
        made.setdefault(where, {})[name] = by["load"]
    lines = [f"{where}: {', '.join(_with_load(*one) for one in loads.items())}." for where, loads in made.items()]
    return "\n\n".join([*lines, *_versions()])


def _with_load(name: str, load: float) -> str:
    return f"`{name}`" if math.isnan(load) else f"`{name}` (load {load:g})"


def _versions() -> list[str]:
    if "log_call" not in _there():
        return []
    rows = [row for row in _rows("log_call") if not row["tracker"].endswith(".log_metric")]
    found = dict.fromkeys(f"{row['tracker'].split(',')[0]} {row['version']}" for row in rows)
    return [f"Beside {', '.join(found)}; the versions of all packages stand in the results."]


def targets() -> str:
    """What was to be reached, what has been, and whether that is enough."""
    rows: list[Row] = []

    def add(target: str, value: float, unit: str, least: float = -math.inf, most: float = math.inf) -> None:
        limit = f"at most {most:g} {unit}" if math.isinf(least) else f"at least {least:g} {unit}"
        measured = f"{_number(value)} {unit}"
        rows.append({"target": target, "": limit, "measured": measured, "reached": _yes(least <= value <= most)})

    there = _there()
    if "log_call" in there:
        ours, *others = _rows("log_call")
        beside = [row for row in others if not row["tracker"].endswith(".log_metric")]
        add("a call of `reticent.log_metric`, p50", _middle(ours["p50 us"]), "us", most=1)
        add("the next tracker's p50, by ours", min(_middle(row["times ours"]) for row in beside), "times", least=7)
        add("CPU of a point, the whole process", _middle(ours["CPU us a point"]), "us", most=4)
    if "startup" in there:
        for row in _rows("startup")[:2]:
            add(f"the start of a process gains by {row['code']}", _middle(row["added ms"]), "ms", most=60)
    if "crash" in there:
        (lost,) = (row["lost"] for row in _rows("crash") if row["tracker"] == "reticent.log_metric")
        add("points lost by `kill -9`", lost, "points", most=0)
    if "scaling" in there:
        cpu = {(row["runs"], row["points"]): _middle(row["CPU us a point"]) for row in _rows("scaling")}
        one = {points: us for (runs, points), us in cpu.items() if runs == 1}
        _, most = max(key for key in cpu if key[0] > 1)
        of_runs = {runs: us for (runs, points), us in cpu.items() if points == most}
        for name, costs in (("points of one run", one), ("open runs", of_runs)):
            what = f"CPU of a point: {max(costs):,} {name}, by {min(costs):,}"
            add(what, costs[max(costs)] / costs[min(costs)], "times", most=1.5)
    return table(rows) if rows else ""


def _yes(reached: bool) -> str:
    return "yes" if reached else "**no**"


OF_ALL = {"machine": machine, "targets": targets}


def _middle(value: Any, which: str = "median") -> float:
    return float(value[which] if isinstance(value, dict) else value)


def _number(value: Any) -> str:
    """Two digits, or all of a number that has more in front of its point."""
    number = _middle(value) if value != "" else math.nan
    if math.isnan(number):
        return ""
    if abs(number) < 0.005:
        return "0"
    return f"{number:,.{max(0, 1 - math.floor(math.log10(abs(number))))}f}"


def _mb(value: Any) -> str:
    return f"{_number(value) if _middle(value) >= 1 else format(round(_middle(value), 1) + 0.0, '.1f')} MB"


def _time(value: Any, unit: str, which: str = "median") -> str:
    """In us, ms or s, whichever makes it a short number."""
    if not isinstance(value, (dict, int, float)):
        return str(value)
    us = _middle(value, which) * {"us": 1, "ms": 1e3, "s": 1e6}[unit]
    for least, name in ((1e6, "s"), (1e3, "ms"), (0, "us")):
        if abs(us) >= least:
            return f"{_number(us / max(1, least))} {name}"
    raise AssertionError(us)


def log_call(rows: Rows) -> list[Row]:
    kills = {row["tracker"]: row for row in _rows("crash")} if (RESULTS / "crash.json").exists() else {}
    most = max((row["kills"] for row in kills.values()), default=0)
    return [
        {
            "a point of one metric": row["tracker"],
            "p50": _time(row["p50 us"], "us"),
            "times ours": _number(row["times ours"]),
            "p99": _time(row["p99 us"], "us"),
            "CPU, all threads": _time(row["CPU us a point"], "us")
            + (f", server {_time(server, 'us')}" if _middle(server := row["server's CPU us a point"]) else ""),
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
                    "processor, all threads": _time(row.get("added CPU ms", ""), "ms"),
                    "MLflow's": _time(peer.get("added CPU ms", ""), "ms") if peer else "",
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
            "the store has of a point": f"{_number(row['store, bytes a point'])} bytes",
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
            "points/s": _number(row["points/s"]) if not row["in s"] else "as logged",
            "Reticent's rate, times": _number(row["ours, times"]),
            "a call, p50 / p99": f"{_time(row['call p50 us'], 'us')} / {_time(row['call p99 us'], 'us')}",
            "end of the process": _time(row["end of the process s"], "s"),
            "requests": _number(row["requests"]),
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
            "by the clock": _time(row.get("added by the clock us", ""), "us"),
        }
        for row in rows
    ]


def endings(rows: Rows) -> list[Row]:
    return [
        {
            "the end of a process after": row["fit"],
            "bare": _time(row["bare end s"], "s"),
            "autologged": _time(row["autologged end s"], "s"),
            "processor, bare": _time(row["bare end, processor s"], "s"),
            "processor, autologged": _time(row["autologged end, processor s"], "s"),
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
            "times ours": _number(row["times ours"]),
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
    return [{key: value if key in ("what", "unit") else _number(value) for key, value in row.items()} for row in rows]


def uploads(rows: Rows) -> list[Row]:
    return [
        {
            f"a file of {row['MB']:,} MB to S3": f"{row['client']}, {row['way']}",
            "MB/s": _number(row["MB/s"]),
            "of boto3's": _number(row["of boto3's"]),
            "the process grows by": _mb(row["memory grown MB"]),
        }
        for row in rows
    ]


SHOWN: dict[str, Callable[[Rows], list[Row]]] = {
    one.__name__: one
    for one in (
        log_call,
        fits,
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
