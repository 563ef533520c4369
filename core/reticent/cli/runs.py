"""`reticent runs`: what was trained, newest first, with the params and metrics that tell these runs apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from reticent.backends.sqlite.query import StoredRun
from reticent.cli import render

METRICS, PARAMS = 4, 3
"""The most columns of each."""
CHILDREN = 5
"""Of more children than this the rest is counted, on a terminal."""


@dataclass(frozen=True)
class Row:
    run: StoredRun
    depth: int = 0
    more: int = 0
    """How many further children of this run's parent are left out after it."""


@dataclass(frozen=True)
class Column:
    kind: Literal["metric", "param"]
    key: str

    def cell(self, run: StoredRun) -> Text:
        if self.kind == "metric":
            return Text(render.number(run.metrics[self.key])) if self.key in run.metrics else Text("")
        return render.literal(run.params.get(self.key, ""), limit=24)


def list_runs(
    filter: str,  # noqa: A002 - the option's name
    sort: Sequence[str],
    max_results: int,
    experiments: Sequence[str],
    everything: bool,
    as_json: bool,
) -> None:
    from reticent.store import search_runs

    runs = search_runs(filter, order_by=list(sort), max_results=max_results, experiments=list(experiments) or None)
    if as_json:
        render.dump([run.to_dict() for run in runs])
        return
    out = render.console()
    if not runs:
        _nothing(out, asked=bool(filter or experiments))
        return
    brief = render.on_terminal(out) and not everything
    rows = tree(runs, CHILDREN if brief else None, chronological=not sort)
    out.print(fit(out, rows))
    if len(runs) == max_results:
        out.print(Text(f"\nThe first {max_results}; more with --max.", style=render.DIM))


def _nothing(out: Console, asked: bool) -> None:
    if asked:
        out.print("No run matches.")
        return
    out.print("No runs yet. Two lines before a training capture it:\n")
    out.print(Text("  import reticent\n  reticent.autolog()\n", style=render.HEAD))
    out.print("To see it work first: reticent demo")


def tree(runs: Sequence[StoredRun], limit: int | None, chronological: bool) -> list[Row]:
    """Runs in their order, each followed by its children (in order of time if `chronological`), `limit` at most."""
    known = {run.run_id for run in runs}
    children: dict[str, list[StoredRun]] = {}
    for run in runs:
        if run.parent_id in known and run.parent_id != run.run_id:
            children.setdefault(str(run.parent_id), []).append(run)
    rows: list[Row] = []
    placed: set[str] = set()

    def place(run: StoredRun, depth: int, more: int = 0) -> None:
        if run.run_id in placed:
            return
        placed.add(run.run_id)
        rows.append(Row(run, depth, more))
        family = children.get(run.run_id, [])
        family = family[::-1] if chronological else family
        shown = family[:limit]
        placed.update(child.run_id for child in family[len(shown) :])
        for index, child in enumerate(shown, 1):
            place(child, depth + 1, len(family) - len(shown) if index == len(shown) else 0)

    for run in runs:
        if run.parent_id not in known or run.parent_id == run.run_id:
            place(run, 0)
    for run in runs:  # parents in a ring, from a damaged log: nothing is hidden
        place(run, 0)
    return rows


def fit(out: Console, rows: Sequence[Row]) -> Table:
    """The table with as many of the telling columns as there is room for."""
    chosen: list[Column] = []
    wide = out.options.update(width=render.PIPED_WIDTH)
    for column in telling([row.run for row in rows]):
        wanted = [*chosen, column]
        if Measurement.get(out, wide, build(rows, wanted)).maximum <= out.width:
            chosen = wanted
    return build(rows, sorted(chosen, key=lambda column: column.kind))


def build(rows: Sequence[Row], columns: Sequence[Column]) -> Table:
    runs = [row.run for row in rows]
    redacted = {run.run_id: sum(redaction.count for redaction in run.redactions()) for run in runs}
    troubled = any(run.health.state != "ok" for run in runs)
    table = render.table()
    table.show_header = True
    for heading in ("id", "name", "experiment", "status", "started", "took"):
        table.add_column(heading, no_wrap=True, justify="right" if heading == "took" else "left")
    for column in columns:
        heading = render.literal(column.key, limit=24)
        table.add_column(heading, no_wrap=True, justify="right" if column.kind == "metric" else "left")
    if any(redacted.values()):
        table.add_column("redacted", no_wrap=True, justify="right")
    if troubled:
        table.add_column("health", no_wrap=True)
    for row in rows:
        run = row.run
        indent = "  " * (row.depth - 1) + "└ " if row.depth else ""
        cells = [
            Text(render.short(run.run_id), style=render.DIM),
            Text(indent, style=render.DIM).append_text(render.literal(run.name, limit=40 - len(indent))),
            render.literal(run.experiment, limit=24),
            render.status(run.status),
            Text(render.ago(run.start_time), style=render.DIM),
            Text(render.duration(run.duration_s), style=render.DIM),
            *[column.cell(run) for column in columns],
        ]
        if any(redacted.values()):
            cells.append(Text(str(redacted[run.run_id] or ""), style=render.REDACTED))
        if troubled:
            cells.append(health(run))
        table.add_row(*cells)
        if row.more:
            table.add_row("", Text(f"{'  ' * row.depth}and {row.more} more", style=render.DIM))
    return table


def health(run: StoredRun) -> Text:
    if run.health.state == "ok":
        return Text("")
    return Text(f"▲ {run.health.state}", style=render.FAIR)


def telling(runs: Sequence[StoredRun]) -> Iterator[Column]:
    """Columns in the order of how much they tell: metrics that cover the runs, and params by which they differ."""
    metrics = _covering([set(run.metrics) for run in runs])
    params = _differing(runs)
    for index in range(max(METRICS, PARAMS)):
        yield from [Column("metric", key) for key in metrics[index : index + 1]]
        yield from [Column("param", key) for key in params[index : index + 1]]


def _covering(present: Sequence[set[str]]) -> list[str]:
    """Metrics such that as many runs as possible show one, then a second one; those of known direction first."""
    candidates = set().union(*present)
    shown: Counter[int] = Counter()
    chosen: list[str] = []
    while len(chosen) < METRICS and candidates:

        def gain(key: str) -> float:
            return _weight(key) * sum(0.4 ** shown[index] for index, keys in enumerate(present) if key in keys)

        best = max(sorted(candidates), key=gain)
        candidates.remove(best)
        chosen.append(best)
        shown.update(index for index, keys in enumerate(present) if best in keys)
    return chosen


def _weight(key: str) -> float:
    name = key.lower()
    weight = 1.0 if render.direction(key) else 0.3
    if any(word in name for word in ("valid", "val_", "val-", "test", "eval", "best", "cv")):
        return weight * 1.5
    return weight * (0.5 if "train" in name else 1.0)


def _differing(runs: Sequence[StoredRun]) -> list[str]:
    """Params that several runs have and that differ among them, the most common first; none that only defaults have."""
    values: dict[str, list[str]] = {}
    given: set[str] = set()
    for run in runs:
        for key, value in run.params.items():
            values.setdefault(key, []).append(value)
            if run.param_origins.get(key) != "default":
                given.add(key)
    usable = {
        key: len(found)
        for key, found in values.items()
        if key in given and len(found) > 1 and len(set(found)) > 1 and max(map(len, found)) <= 24
    }
    return sorted(usable, key=lambda key: (-usable[key], key))[:PARAMS]
