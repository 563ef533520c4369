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
COMMON = 0.4
"""A metric is a column of its own if at least this part of the runs has it."""
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
    out.print(render.Block(fit(out, rows)))
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


def fit(out: Console, rows: Sequence[Row], room: int | None = None, within: str | None = None) -> Table:
    """The table with as many of the telling columns as there is room for; `within` is an experiment not worth naming."""
    chosen: list[Column] = []
    wide = out.options.update(width=render.PIPED_WIDTH)
    for column in telling([row.run for row in rows]):
        wanted = [*chosen, column]
        if Measurement.get(out, wide, build(rows, wanted, within)).maximum <= (room or out.width):
            chosen = wanted
    return build(rows, sorted(chosen, key=lambda column: column.kind), within)


def build(rows: Sequence[Row], columns: Sequence[Column], within: str | None) -> Table:
    runs = [row.run for row in rows]
    redacted = {run.run_id: sum(redaction.count for redaction in run.redactions()) for run in runs}
    named = any(run.experiment != within for run in runs)
    rest = {run.run_id: _rest(run, columns) for run in runs}
    table = render.table()
    table.show_header = True
    table.add_column("id", no_wrap=True)
    table.add_column("name", no_wrap=True)
    if named:
        table.add_column("experiment", no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column("started", no_wrap=True)
    table.add_column("took", no_wrap=True, justify="right")
    for column in columns:
        justify: Literal["left", "right"] = "right" if column.kind == "metric" else "left"
        table.add_column(render.literal(column.key, limit=24), no_wrap=True, justify=justify)
    if any(rest.values()):
        table.add_column("other metrics" if any(column.kind == "metric" for column in columns) else "metrics", no_wrap=True)
    if any(redacted.values()):
        table.add_column("redacted", no_wrap=True, justify="right")
    if any(run.health.state != "ok" for run in runs):
        table.add_column("health", no_wrap=True)
    for row in rows:
        run = row.run
        indent = "  " * (row.depth - 1) + "└ " if row.depth else ""
        cells = [
            Text(render.short(run.run_id), style=render.DIM),
            Text.assemble((indent, render.DIM), render.literal(run.name, limit=40 - len(indent))),
            *[render.literal(run.experiment, limit=24)] * named,
            render.status(run.status),
            Text(render.ago(run.start_time), style=render.DIM),
            Text(render.duration(run.duration_s), style=render.DIM),
            *[column.cell(run) for column in columns],
            *[rest[run.run_id]] * any(rest.values()),
            *[Text(str(redacted[run.run_id] or ""), style=render.REDACTED)] * any(redacted.values()),
            health(run),
        ]
        table.add_row(*cells[: len(table.columns)])
        if row.more:
            table.add_row("", Text(f"{'  ' * row.depth}and {row.more} more (--all)", style=render.DIM))
    return table


def _rest(run: StoredRun, columns: Sequence[Column]) -> Text:
    """The most telling metric of a run that has none of the columns' metrics."""
    if not run.metrics or any(column.kind == "metric" and column.key in run.metrics for column in columns):
        return Text("")
    key = max(sorted(run.metrics), key=_weight)
    return Text.assemble(render.literal(key, render.DIM, limit=24), " ", render.number(run.metrics[key]))


def health(run: StoredRun) -> Text:
    if run.health.state == "ok":
        return Text("")
    return Text(f"▲ {run.health.state}", style=render.FAIR)


def telling(runs: Sequence[StoredRun]) -> Iterator[Column]:
    """Columns in the order of how much they tell: metrics that the runs have in common, and params by which they differ."""
    metrics = _common(runs)
    params = _differing(runs)
    for index in range(max(METRICS, PARAMS)):
        yield from [Column("metric", key) for key in metrics[index : index + 1]]
        yield from [Column("param", key) for key in params[index : index + 1]]


def _common(runs: Sequence[StoredRun]) -> list[str]:
    """Metrics that a good part of the runs with metrics have: those that the most have first, then the most telling."""
    present = Counter(key for run in runs for key in run.metrics)
    enough = max(2, COMMON * sum(1 for run in runs if run.metrics)) if len(runs) > 1 else 1
    usable = [key for key, count in present.items() if count >= enough]
    return sorted(usable, key=lambda key: (-_weight(key) * present[key], key))[:METRICS]


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
