"""What a dry run says at its end: what would have been captured of each run, and what hidden."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from rich.table import Table
from rich.text import Text

from reticent import records
from reticent.cli import render
from reticent.recovery import events
from reticent.runlog import RunReader

NAMES = 12
"""So many names of a kind are shown of each run; the others are counted."""


@dataclass
class Found:
    """One run, as its run log has it: sealed."""

    run_id: str
    name: str = ""
    status: str = "RUNNING"
    parent_id: str | None = None
    started: float = 0.0
    params: dict[str, records.Param] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    points: Counter[str] = field(default_factory=Counter)
    artifacts: dict[str, int] = field(default_factory=dict)
    models: dict[str, records.Model] = field(default_factory=dict)
    datasets: dict[str, None] = field(default_factory=dict)
    redacted: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """By place, rule and what was done."""
    withheld: dict[str, str] = field(default_factory=dict)
    warnings: dict[str, None] = field(default_factory=dict)


def read(directory: Path) -> Found:
    """The run in a directory of the run log."""
    run = Found(directory.name)
    for record in events(RunReader(directory)):
        _note(run, record)
    reader = RunReader(directory)
    while True:
        entries, blocks = reader.read(max_events=100_000, max_metrics=100_000)
        if not entries and not blocks:
            return run
        for block in blocks:
            run.points.update(point.key for point in block)


def _note(run: Found, record: records.SealedRecord) -> None:
    if isinstance(record, records.RunStarted):
        run.name, run.parent_id, run.started = record.name, record.parent_id, record.time
    elif isinstance(record, records.RunEnded):
        run.status = record.status.value
    elif isinstance(record, records.Param):
        run.params[record.key] = record
    elif isinstance(record, records.Tag):
        run.tags[record.key] = record.value
    elif isinstance(record, records.Artifact):
        run.artifacts[record.path] = record.size
    elif isinstance(record, records.ArtifactRemoved):
        kept = {path: size for path, size in run.artifacts.items() if not records.is_under(path, record.path)}
        run.artifacts = kept
    elif isinstance(record, records.Model):
        run.models[record.path] = record
    elif isinstance(record, records.Dataset):
        run.datasets[f"{record.name} ({record.context})"] = None
    elif isinstance(record, records.Redaction):
        run.redacted[record.channel, record.rule, record.action] += record.count
    elif isinstance(record, records.Withheld):
        run.withheld[record.path] = record.rule
    elif isinstance(record, records.Warned):
        run.warnings[record.message] = None


def print_report(runs: list[Found]) -> None:
    """Print it to stderr: the output of the program stays its own."""
    out = render.console(stderr=True)
    runs = sorted(runs, key=lambda run: run.started)
    count = render.plural(len(runs), "run")
    out.print(Text.assemble(("reticent: a dry run", render.HEAD), f", {count}, nothing of it stored"))
    for run in runs:
        kind = f"child of {next((one.name for one in runs if one.run_id == run.parent_id), run.parent_id)}"
        note = f"{run.status.lower()}{f', {kind}' if run.parent_id else ''}"
        title = str(render.literal(run.name))
        render.section(out, title, _table(run), note)
    out.print()
    hidden = sum(sum(run.redacted.values()) for run in runs)
    files = sum(len(run.withheld) for run in runs)
    if not runs:
        out.print("Nothing was captured: `reticent doctor` says what would be.")
        return
    would = f"{render.plural(hidden, 'value')} redacted and {render.plural(files, 'file')} withheld, as above"
    out.print(f"Without dry_run they are stored, {would}; then look: `reticent runs`, `show RUN`, `redact report RUN`.")


def _table(run: Found) -> Table:
    table = render.table("", "", "")
    explicit = sum(param.origin == "explicit" for param in run.params.values())
    params = f"{len(run.params)}" + (f", {explicit} explicit" if explicit else "")
    table.add_row("params", params, _names([_param(param) for param in run.params.values()]))
    points = f"{len(run.points)}, {render.plural(run.points.total(), 'point')}"
    table.add_row("metrics", points, _names([f"{key} ({count})" for key, count in run.points.items()]))
    table.add_row("tags", str(len(run.tags)), _names(list(run.tags)))
    table.add_row("data sets", str(len(run.datasets)), _names(list(run.datasets)))
    models = [f"{path} ({one.flavor}, {render.size(one.size)})" for path, one in run.models.items()]
    table.add_row("models", str(len(models)), _names(models))
    own = {
        path: size
        for path, size in run.artifacts.items()
        if not any(records.is_under(path, model) for model in run.models)
    }
    table.add_row("artifacts", str(len(own)), _names([f"{path} ({render.size(size)})" for path, size in own.items()]))
    for (channel, rule, action), count in run.redacted.items():
        says = Text.assemble((rule, render.REDACTED), f" in {channel}: {action}")
        table.add_row("redacted", f"{count:,}", says)
    for path, rule in run.withheld.items():
        says = Text.assemble((rule, render.REDACTED), " in ", render.literal(path))
        table.add_row("withheld", "file", says)
    for message in run.warnings:
        table.add_row("warning", "", render.literal(message))
    return table


def _param(param: records.Param) -> str:
    """Of a param its name; its value only if something in it is hidden, to be seen as it would be stored."""
    return f"{param.key} = {param.value}" if render.hides(param.value) else param.key


def _names(names: list[str]) -> Text:
    """Those in which something is hidden come first."""
    names = sorted(names, key=lambda name: not render.hides(name))
    more = f", {len(names) - NAMES} more" if len(names) > NAMES else ""
    return render.literal(", ".join(names[:NAMES]) + more)
