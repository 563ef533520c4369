"""The places in the README and in docs/benchmarks.md that a run of the benchmarks fills.

Between `<!-- benchmark NAME -->` and `<!-- end -->` stands the table of a result, or what is told of all that there are: the
machine and the targets.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from pathlib import Path

from benchmarks.machine import told
from benchmarks.shown import middle, number, result, rows_of, show, table, there
from benchmarks.turns import Row

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", ROOT / "docs/benchmarks.md")
_PLACE = re.compile(r"(<!-- benchmark (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

ADDED_MS = {
    "LogisticRegression.fit": 60,
    "xgboost.train": 60,
    "lightgbm.train": 60,
    "statsmodels OLS.fit": 40,
    "Keras fit": 150,
    "Lightning fit": 150,
    "Transformers Trainer.train": 150,
}
"""What a small fit may gain, the second and later ones."""
START_MS = {"`import reticent`": 60.0, "`import reticent; reticent.autolog()`": 170.0}
LATE_MS = 30.0
"""What the start of a process may gain, and where a framework was imported before."""


def into_pages(measured: Collection[str]) -> None:
    """Put the tables of what was measured, and what is told of all results, where a page has a place for them."""

    def filled(place: re.Match[str]) -> str:
        if place[2] not in (*OF_ALL, *measured):
            return place[0]
        text = OF_ALL[place[2]]() if place[2] in OF_ALL else show(place[2])
        return f"{place[1]}\n{text}\n\n{place[3]}"

    for page in PAGES:
        page.write_text(_PLACE.sub(filled, page.read_text()))


def machine() -> str:
    """A paragraph for each machine and commit that results are of, and the versions of what is compared."""
    made: dict[str, list[str]] = {}
    for name in there():
        by = result(name)["machine"]
        disk, commit = by.get("temporary files"), by.get("commit")
        where = told(by) + f", temporary files on {disk}" * bool(disk) + f", commit {commit}" * bool(commit)
        made.setdefault(where, []).append(f"`{name}` (load {by['load']:g})")
    lines = [f"{where}: {', '.join(results)}." for where, results in made.items()]
    return "\n\n".join([*lines, *_versions()])


def _versions() -> list[str]:
    if "log_call" not in there():
        return []
    rows = [row for row in rows_of("log_call") if not row["tracker"].endswith(".log_metric")]
    found = dict.fromkeys(f"{row['tracker'].split(',')[0]} {row['version']}" for row in rows)
    return [f"Beside {', '.join(found)}; the versions of all packages stand in the results."]


def targets() -> str:
    """What was to be reached, what has been, and whether that is enough."""
    rows: list[Row] = []

    def add(target: str, value: float, unit: str, least: float = -math.inf, most: float = math.inf) -> None:
        limit = f"at most {most:g} {unit}" if math.isinf(least) else f"at least {least:g} {unit}"
        measured = f"{number(value)} {unit}"
        rows.append({"target": target, "": limit, "measured": measured, "reached": _yes(least <= value <= most)})

    known = there()
    if "log_call" in known:
        ours, *others = rows_of("log_call")
        beside = [row for row in others if not row["tracker"].endswith(".log_metric")]
        add("a call of `reticent.log_metric`, p50", middle(ours["p50 us"]), "us", most=1)
        add("the next tracker's p50, by ours", min(middle(row["times ours"]) for row in beside), "times", least=7)
        add("CPU of a point, the whole process", middle(ours["CPU us a point"]), "us", most=4)
    if "startup" in known:
        for row in rows_of("startup"):
            limit = START_MS.get(row["code"], LATE_MS if " after " in row["code"] else math.inf)
            if limit < math.inf:
                add(f"the start of a process gains by {row['code']}", middle(row["added ms"]), "ms", most=limit)
    if "fits" in known:
        small = {row["fit"]: row for row in reversed(rows_of("fits")) if row["logger"] == "reticent"}
        for fit, most in ADDED_MS.items():
            if fit in small:
                add(f"{fit}, {small[fit]['size']}, gains", middle(small[fit]["added ms"]), "ms", most=most)
    if "torch_steps" in known:
        add("a step of a plain loop in PyTorch gains", middle(rows_of("torch_steps")[0]["added us"]), "us", most=20)
    if "crash" in known:
        (lost,) = (row["lost"] for row in rows_of("crash") if row["tracker"] == "reticent.log_metric")
        add("points lost by `kill -9`", lost, "points", most=0)
    if "scaling" in known:
        cpu = {(row["runs"], row["points"]): middle(row["CPU us a point"]) for row in rows_of("scaling")}
        one = {points: us for (runs, points), us in cpu.items() if runs == 1}
        _, points_of_runs = max(key for key in cpu if key[0] > 1)
        of_runs = {runs: us for (runs, points), us in cpu.items() if points == points_of_runs}
        for name, costs in (("points of one run", one), ("open runs", of_runs)):
            what = f"CPU of a point: {max(costs):,} {name}, by {min(costs):,}"
            add(what, costs[max(costs)] / costs[min(costs)], "times", most=1.5)
    return table(rows) if rows else ""


OF_ALL = {"machine": machine, "targets": targets}


def _yes(reached: bool) -> str:
    return "yes" if reached else "**no**"
