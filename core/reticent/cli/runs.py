"""`reticent runs`: what was trained, newest first, with the params and metrics that tell these runs apart.

Runs that belong to another one, such as the candidates of a search, are counted with it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from reticent.backends.sqlite.filters import field_of
from reticent.backends.sqlite.stored import StoredRun
from reticent.cli import render
from reticent.cli.waiting import progress_shown

METRICS, PARAMS = 4, 3
"""The most columns of each."""
COMMON = 0.4
"""A metric is a column of its own if at least this part of the runs has it."""
LONGEST, LONGEST_PIPED = 24, 40
"""Of longer texts only the beginning is shown."""
_ONE_SPLIT = re.compile(r"split\d+_")
_COST = re.compile(r"(_(seconds|per_second|runtime|time|mb)|total_flos)$")
"""What a training took, rather than what came of it."""
"""In the names of scores of one split of a cross-validation, which their mean stands for."""
CHILDREN = 5
"""Of more listed children than this the rest is counted, on a terminal."""


@dataclass(frozen=True)
class Row:
    run: StoredRun
    depth: int = 0
    parent: str = ""
    """The parent's name, if this row stands under it."""
    children: int = 0
    """How many children this run has, if none of them has a row."""
    more: int = 0
    """How many further children of this run's parent are left out after it."""


@dataclass(frozen=True)
class Measure:
    """A metric or param that is shown of every run."""

    kind: Literal["metric", "param"]
    key: str

    def cell(self, run: StoredRun, limit: int | None) -> Text:
        if self.kind == "metric":
            return Text(render.number(run.metrics[self.key])) if self.key in run.metrics else Text("")
        return render.literal(run.params.get(self.key, ""), limit=limit)


@dataclass(frozen=True)
class Column:
    heading: Text
    cells: Sequence[Text]
    justify: Literal["left", "right"]

    @property
    def width(self) -> int:
        return max(text.cell_len for text in (self.heading, *self.cells))


def list_runs(
    filter: str,
    sort: Sequence[str],
    max_results: int,
    experiments: Sequence[str],
    children: bool,
    everything: bool,
    as_json: bool,
) -> None:
    from reticent.store import search_runs, top_runs, with_descendants

    within = list(experiments) or None
    with progress_shown():
        if filter or as_json:
            found = search_runs(filter, order_by=sort, max_results=max_results, experiments=within)
        else:
            found = top_runs(order_by=sort, max_results=max_results, experiments=within)
        runs = with_descendants(found, sort) if children else found
    _tell_unsorted(sort, runs)
    if as_json:
        render.dump([summary(run) for run in runs])
        return
    out = render.of_a_run(everything)
    if not runs:
        _nothing(out, asked=bool(filter or experiments))
        return
    brief = render.on_terminal(out) and not everything
    rows = tree(runs, CHILDREN if brief else None, chronological=not sort)
    print_table(out, rows)
    if len(found) == max_results:
        out.print(Text(f"\nThe first {max_results}; more with --max.", style=render.DIM))


def _tell_unsorted(sort: Sequence[str], runs: Sequence[StoredRun]) -> None:
    """Say on stderr what the runs cannot have been sorted by, because none of them has it."""
    for clause in sort if runs else ():
        field = field_of(clause)
        if field.entity != "attribute" and not any(field.name in getattr(run, f"{field.entity}s") for run in runs):
            hint = "; --children lists their children too" if any(run.child_count for run in runs) else ""
            render.complain(f"none of these runs has {field.entity}s.{field.name} to be sorted by{hint}")


def summary(run: StoredRun) -> dict[str, Any]:
    """A run for JSON, with the newest value of each metric; `show --json` has the whole history."""
    return {
        "run_id": run.run_id,
        "name": run.name,
        "experiment": run.experiment,
        "parent_id": run.parent_id,
        "status": run.status.value,
        "health": {"state": run.health.state, "reasons": list(run.health.reasons)},
        "start_time": render.iso(run.start_time),
        "end_time": render.iso(run.end_time),
        "duration_s": run.duration_s,
        "params": run.params,
        "tags": run.tags,
        "metrics": run.metrics,
        "redacted": sum(redaction.count for redaction in run.redactions()),
    }


def print_table(out: Console, rows: Sequence[Row]) -> None:
    out.print(render.Block(fit(out, rows, out.width)))
    if any(row.run.health.state != "ok" for row in rows):
        note = Text.assemble(
            ("▲", render.FAIR), (" not all could be logged or delivered; `show` says what", render.DIM)
        )
        out.print(Text("\n").append_text(note))
    if any(row.more for row in rows):
        out.print(Text("\nAll children are shown with --all.", style=render.DIM))
    if any(row.children for row in rows):
        out.print(Text("\nChildren are listed with --children.", style=render.DIM))


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

    def place(run: StoredRun, depth: int = 0, parent: str = "", more: int = 0) -> None:
        if run.run_id in placed:
            return
        placed.add(run.run_id)
        family = children.get(run.run_id, [])
        rows.append(Row(run, depth, parent, 0 if family else run.child_count, more))
        family = family[::-1] if chronological else family
        shown = family[:limit]
        placed.update(child.run_id for child in family[len(shown) :])
        for index, child in enumerate(shown, 1):
            place(child, depth + 1, run.name, len(family) - len(shown) if index == len(shown) else 0)

    for run in runs:
        if run.parent_id not in known or run.parent_id == run.run_id:
            place(run)
    for run in runs:  # parents in a ring, from a damaged log: nothing is hidden
        place(run)
    return rows


def fit(out: Console, rows: Sequence[Row], room: int, within: str | None = None) -> Table:
    """The table with the columns that there is room for; `within` is an experiment that need not be named."""
    cutting = isinstance(out, render.Cutting)
    limit = LONGEST if out.width < render.PIPED_WIDTH else LONGEST_PIPED if cutting else None
    runs = [row.run for row in rows]
    chosen: list[Measure] = []
    for measure in telling(runs):
        wanted = sorted([*chosen, measure], key=lambda one: one.kind)
        if sum(column.width + 2 for column in _columns(rows, wanted, within, limit)) <= room + 2:
            chosen = wanted
    columns = _columns(rows, chosen, within, limit)
    for heading in ("took", "experiment", "started", "redacted"):
        if sum(column.width + 2 for column in columns) > room + 2:
            columns = [column for column in columns if column.heading.plain != heading]
    table = render.table()
    table.show_header = True
    for column in columns:
        firm = len(render.short(runs[0].run_id)) if column is columns[0] else None
        table.add_column(column.heading, no_wrap=True, justify=column.justify, min_width=firm)
    for index, row in enumerate(rows):
        table.add_row(*[column.cells[index] for column in columns])
        if row.more:
            table.add_row("", Text(f"{'  ' * row.depth}and {row.more} more", style=render.DIM))
    return table


def _columns(rows: Sequence[Row], measures: Sequence[Measure], within: str | None, limit: int | None) -> list[Column]:
    runs = [row.run for row in rows]

    def column(heading: str, cells: Sequence[Text], justify: Literal["left", "right"] = "left") -> Column:
        return Column(render.literal(heading, limit=limit), cells, justify)

    def quiet(heading: str, texts: Sequence[str], justify: Literal["left", "right"] = "left") -> Column:
        return column(heading, [Text(text, style=render.DIM) for text in texts], justify)

    columns = [
        quiet("id", [render.short(run.run_id) for run in runs]),
        column("name", [_name(row, limit) for row in rows]),
    ]
    if any(run.experiment != within for run in runs):
        columns.append(column("experiment", [render.literal(run.experiment, limit=limit) for run in runs]))
    columns.append(column("status", [_status(run) for run in runs]))
    columns.append(quiet("started", [render.ago(run.start_time) for run in runs]))
    columns.append(quiet("took", [render.duration(run.duration_s) for run in runs], "right"))
    for measure in measures:
        side: Literal["left", "right"] = "right" if measure.kind == "metric" else "left"
        columns.append(column(measure.key, [measure.cell(run, limit) for run in runs], side))
    shown = {measure.key for measure in measures if measure.kind == "metric"}
    others = [_other(run, shown, limit) for run in runs]
    if any(others):
        columns.append(column("other metrics" if shown else "metrics", others))
    redacted = [sum(redaction.count for redaction in run.redactions()) for run in runs]
    if any(redacted):
        counts = [Text(str(count or ""), style=render.REDACTED) for count in redacted]
        columns.append(column("redacted", counts, "right"))
    return columns


def _name(row: Row, limit: int | None) -> Text:
    indent = "  " * (row.depth - 1) + "└ " if row.depth else ""
    name = row.run.name.removeprefix(f"{row.parent}.") if row.parent else row.run.name
    told = render.literal(name, limit=None if limit is None else limit + 8 - len(indent))
    count = f"  +{render.plural(row.children, 'child', 'children')}" if row.children else ""
    return Text.assemble((indent, render.DIM), told, (count, render.DIM))


def _status(run: StoredRun) -> Text:
    mark = "" if run.health.state == "ok" else " ▲"
    return Text.assemble(render.status(run.status), (mark, render.FAIR))


def _other(run: StoredRun, shown: set[str], limit: int | None) -> Text:
    """The most telling metric of a run that has none of those shown in columns."""
    if not run.metrics or shown & set(run.metrics):
        return Text("")
    key = max(sorted(run.metrics), key=_weight)
    return Text.assemble(render.literal(key, render.DIM, limit=limit), " ", render.number(run.metrics[key]))


def telling(runs: Sequence[StoredRun]) -> Iterator[Measure]:
    """Measures in the order of how much they tell: metrics that the runs have in common, and params by which they differ."""
    metrics = _common(runs)
    params = _differing(runs)
    for index in range(max(METRICS, PARAMS)):
        yield from [Measure("metric", key) for key in metrics[index : index + 1]]
        yield from [Measure("param", key) for key in params[index : index + 1]]


def _common(runs: Sequence[StoredRun]) -> list[str]:
    """Metrics that a good part of the runs with metrics have: those that the most have first, then the most telling."""
    present = Counter(key for run in runs for key in run.metrics)
    enough = max(2, COMMON * sum(1 for run in runs if run.metrics)) if len(runs) > 1 else 1
    usable = [key for key, count in present.items() if count >= enough and not _ONE_SPLIT.search(key)]
    return sorted(usable, key=lambda key: (-_weight(key) * present[key], key))[:METRICS]


def _weight(key: str) -> float:
    name = key.lower()
    if _ONE_SPLIT.search(name):
        return 0.0
    if _COST.search(name):
        return 0.01
    weight = 1.0 if render.direction(key) else 0.3
    if "best_cv_score" in name:  # what a search is for
        return weight * 2
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
