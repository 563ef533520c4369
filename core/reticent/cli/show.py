"""`reticent show`: all that is known of one run, what was hidden in it included, and how its delivery stands."""

from __future__ import annotations

from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from reticent.backends.sqlite.plain import plain
from reticent.backends.sqlite.stored import StoredRun
from reticent.cli import render
from reticent.cli.model_list import models_of, outcome
from reticent.cli.waiting import progress_shown
from reticent.surroundings import is_surrounding

DEFAULTS = 6
"""Of more defaulted params than this the rest is counted, on a terminal; so with the other limits."""
METRICS = 24
FILES = 12
CHILDREN = 8
WARNINGS = 8
ERROR_LINES = 12
SHOWN_SURROUNDINGS = ("source", "git.commit", "git.dirty", "host")
CURVE = 24
"""How many characters wide a metric's curve is, on a terminal wide enough."""


def show_run(run_id: str, everything: bool, as_json: bool, points: int | None = None) -> None:
    from reticent.store import get_run

    with progress_shown():
        run = get_run(run_id)
    if as_json:
        render.dump(run.to_dict(points))
        return
    out = render.of_a_run(everything)
    print_run(out, run, brief=render.on_terminal(out) and not everything)


def show_console(run_id: str, as_json: bool) -> None:
    """What the run wrote to its console, stderr in a colour of its own."""
    from reticent.store import get_run

    run = get_run(run_id)
    written = run.console()
    if as_json:
        render.dump(plain(written))
        return
    out = render.console()
    if not written:
        out.print(Text("Nothing was kept of this run's console; the setting capture.console keeps it.", render.DIM))
    for part in written:
        out.print(render.lines(part.text, render.FAIR if part.stream == "stderr" else ""))


def print_run(out: Console, run: StoredRun, brief: bool) -> None:
    out.print(header(run))
    params(out, run, brief)
    metrics(out, run, brief)
    inputs_and_models(out, run)
    artifacts(out, run, brief)
    references(out, run)
    children(out, run, brief)
    surroundings(out, run, brief)
    redactions(out, run)
    health(out, run, brief)
    delivery(out, run)
    error(out, run, brief)


def header(run: StoredRun) -> Panel:
    facts = Table.grid(padding=(0, 3, 0, 0))
    facts.add_column(style=render.DIM)
    facts.add_column(overflow="fold")
    took = render.duration(run.duration_s)
    trouble = "" if run.health.state == "ok" else f"  ▲ logging {run.health.state}"
    status = render.status(run.status)
    facts.add_row("status", Text.assemble(status, (f"  {took}" if took else "", render.DIM), (trouble, render.FAIR)))
    facts.add_row("id", run.run_id)
    facts.add_row("experiment", render.literal(run.experiment))
    started = Text(render.clock(run.start_time)).append(f"  {render.ago(run.start_time)}", style=render.DIM)
    facts.add_row("started", started)
    if run.parent_id:
        facts.add_row("parent", render.literal(run.parent_id))
    for key, value in sorted(run.tags.items()):
        if not is_surrounding(key):
            facts.add_row(render.literal(key, limit=24), render.literal(value, limit=200))
    title = render.literal(run.name, render.HEAD, limit=60)
    return Panel(facts, title=title, title_align="left", border_style=render.DIM, expand=False, padding=(0, 2))


def surroundings(out: Console, run: StoredRun, brief: bool) -> None:
    """What the run ran in: a line of it where a person is looking, else all."""
    known = {key: value for key, value in sorted(run.tags.items()) if is_surrounding(key)}
    if not known:
        return
    table = render.table("", "")
    for key, value in known.items():
        if not brief or key in SHOWN_SURROUNDINGS:
            table.add_row(render.literal(key, limit=40), render.literal(value, limit=100 if brief else None))
    left = len(known) - table.row_count
    render.section(out, "Surroundings", table, f"and {left} more (--all)" if left else "")


def params(out: Console, run: StoredRun, brief: bool) -> None:
    if not run.params:
        return
    given = [key for key in run.params if run.param_origins.get(key) != "default"]
    defaults = [key for key in run.params if run.param_origins.get(key) == "default"]
    shown = defaults[:DEFAULTS] if brief and len(defaults) > DEFAULTS + 2 else defaults
    table = render.table("", "")
    for key in sorted(given):
        value = render.literal(run.params[key], limit=300 if brief else None)
        mark = "  (derived)" if run.param_origins.get(key) == "derived" else ""
        table.add_row(render.literal(key), Text.assemble(value, (mark, render.DIM)))
    for key in sorted(shown):
        value = render.literal(run.params[key], render.DIM, limit=80 if brief else None)
        table.add_row(render.literal(key, render.DIM), Text.assemble(value, ("  (default)", render.DIM)))
    if len(shown) < len(defaults):
        left = f"and {len(defaults) - len(shown)} more defaults (--all)"
        table.add_row(Text(left, style=render.DIM))
    derived = [key for key in given if run.param_origins.get(key) == "derived"]
    counts = {"set": len(given) - len(derived), "derived": len(derived), "defaults": len(defaults)}
    note = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    render.section(out, "Params", table, note if derived or defaults else str(len(given)))


def metrics(out: Console, run: StoredRun, brief: bool) -> None:
    if not run.metrics:
        return
    keys = sorted(run.metrics)
    shown = keys[:METRICS] if brief else keys
    summaries = {key: run.metric_summary(key) for key in shown}
    series = any(summary.count > 1 for summary in summaries.values())
    headings = ("", "last", "", "min", "max", "points") if series else ("", "")
    table = render.table(*headings, right=(1, 3, 4, 5), firm=(2,))
    width = CURVE if out.width >= 90 else CURVE // 2
    for key, summary in summaries.items():
        last = Text(render.number(run.metrics[key]), style=render.HEAD)
        if summary.count > 1:
            curve = Text(render.sparkline(run.metric_curve(key, width)), style="cyan")
            ends = [Text(render.number(value), style=render.DIM) for value in (summary.min, summary.max)]
            table.add_row(render.literal(key), last, curve, *ends, Text(f"{summary.count:,}", style=render.DIM))
        else:
            table.add_row(render.literal(key), last)
    _more(table, len(keys) - len(shown), "metrics")
    render.section(out, "Metrics", table, str(len(keys)))


def inputs_and_models(out: Console, run: StoredRun) -> None:
    datasets = run.datasets()
    if datasets:
        table = render.table("name", "role", "source", "digest")
        for data in datasets:
            digest = render.literal(data.digest[:12], render.DIM)
            table.add_row(render.literal(data.name), render.literal(data.context), render.literal(data.source), digest)
        render.section(out, "Datasets", table, str(len(datasets)))
    models = models_of(run)
    if models:
        table = render.table("path", "flavor", "size", "tried", right=(2,))
        for one in models:
            model = one.model
            tried = outcome(one.tried)
            table.add_row(render.literal(model.path), render.literal(model.flavor), render.size(model.size), tried)
        render.section(out, "Models", table, str(len(models)))


def artifacts(out: Console, run: StoredRun, brief: bool) -> None:
    models = tuple(f"{model.path}/" for model in run.models())
    files = sorted((file for file in run.artifacts() if not file.path.startswith(models)), key=lambda file: file.path)
    if not files:
        return
    shown = files[:FILES] if brief and len(files) > FILES + 2 else files
    table = render.table("", "", right=(1,))
    for file in shown:
        table.add_row(render.literal(file.path), Text(render.size(file.size), style=render.DIM))
    _more(table, len(files) - len(shown), "files")
    note = f"{len(files)}, {render.size(sum(file.size for file in files))}"
    render.section(out, "Artifacts", table, note)


def references(out: Console, run: StoredRun) -> None:
    found = run.references()
    if found:
        table = render.table("", "", "", right=(1,))
        for one in found:
            size = Text(render.size(one.size), style=render.DIM)
            table.add_row(render.literal(one.path), size, render.literal(one.location))
        render.section(out, "References", table, "too large to copy: where they lie")


def children(out: Console, run: StoredRun, brief: bool) -> None:
    family = run.children()
    if not family:
        return
    from reticent.cli.runs import Row, fit

    shown = family[:CHILDREN] if brief and len(family) > CHILDREN + 2 else family
    rows = [Row(child, parent=run.name, children=child.child_count) for child in shown]
    table = fit(out, rows, out.width - 2, within=run.experiment)
    left = len(family) - len(shown)
    body = Group(table, Text(f"and {left} more children (--all)", style=render.DIM)) if left else table
    render.section(out, "Children", body, str(len(family)))


def redactions(out: Console, run: StoredRun) -> None:
    """What was hidden and why: rule, place, count. The run holds no more than that."""
    hidden = run.redactions()
    if hidden:
        table = render.table("where", "rule", "done", "sure", "times", right=(4,))
        for one in hidden:
            rule = render.literal(one.rule, render.REDACTED)
            done = render.literal(one.action), render.literal(one.confidence)
            table.add_row(render.literal(one.channel), rule, *done, str(one.count))
        render.section(out, "Redacted", table, "hidden before anything was written")
    withheld = run.withheld()
    if withheld:
        table = render.table("file", "rule")
        for file in withheld:
            table.add_row(render.literal(file.path), render.literal(file.rule, render.REDACTED))
        render.section(out, "Withheld files", table, "kept in the run's quarantine, given to no backend")


def health(out: Console, run: StoredRun, brief: bool) -> None:
    """What of the logging went wrong, in sentences; the training did not."""
    if run.health.state == "ok":
        return
    said = [one.message for one in run.warnings()]
    lost = [f"lost: {one.count} {one.what} ({one.reason})" for one in run.losses()]
    reasons = [*run.health.reasons, *lost, *said]
    shown = reasons[:WARNINGS] if brief else reasons
    lines = [Text("▲ ", style=render.FAIR).append_text(render.literal(reason)) for reason in shown]
    if len(shown) < len(reasons):
        lines.append(Text(f"and {len(reasons) - len(shown)} more (--all)", style=render.DIM))
    render.section(out, "Health", Group(*lines), f"{run.health.state}: the logging, not the training")


def delivery(out: Console, run: StoredRun) -> None:
    rows = run.deliveries()
    if not rows:
        return
    table = render.table()
    for row in rows:
        arrived = row.state == "complete"
        state = Text("✓ complete", style=render.GOOD) if arrived else Text(f"◐ {row.state}", style=render.FAIR)
        counts = render.plural(row.delivered, "record")
        if row.rejected:
            counts += f", {row.rejected:,} rejected"
        table.add_row(render.literal(row.backend), state, counts, render.literal(row.error or "", render.FAIR))
    render.section(out, "Delivery", table)


def error(out: Console, run: StoredRun, brief: bool) -> None:
    if not run.error:
        return
    lines = run.error.rstrip("\n").split("\n")
    shown = lines[-ERROR_LINES:] if brief else lines
    note = f"the last {ERROR_LINES} of {len(lines)} lines (--all)" if len(shown) < len(lines) else ""
    body = Group(render.lines("\n".join(shown[:-1]), render.DIM), render.literal(shown[-1], render.BAD))
    render.section(out, "Error", body if len(shown) > 1 else render.literal(shown[0], render.BAD), note)


def _more(table: Table, left: int, what: str) -> None:
    if left:
        table.add_row(Text(f"and {left} more {what} (--all)", style=render.DIM))
