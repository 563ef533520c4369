"""`reticent redact report`: what was hidden and withheld in a run, and which policy holds for which backend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.text import Text

from reticent import settings
from reticent.backends import name_of
from reticent.backends.sqlite.stored import StoredRun
from reticent.cli import render
from reticent.cli.policy import described
from reticent.files import safe_relative
from reticent.runlog import QUARANTINE
from reticent.settings import Settings


def report_run(run_id: str, as_json: bool) -> None:
    from reticent.store import get_run

    run = get_run(run_id)
    chosen = settings.current().settings
    directory = settings.root(chosen) / "runs" / run.run_id
    if as_json:
        render.dump(_as_json(run, chosen, directory))
        return
    out = render.console()
    out.print(Text.assemble(render.literal(run.name, render.HEAD), (f"  {run.run_id}", render.DIM)))
    hidden = render.table("where", "rule", "done", "sure", "times", right=(4,))
    for one in run.redactions():
        rule = Text(one.rule, style=render.REDACTED)
        hidden.add_row(render.literal(one.channel), rule, one.action, one.confidence, f"{one.count:,}")
    nothing = Text("nothing", style=render.DIM)
    render.section(out, "Redacted", hidden if hidden.row_count else nothing)
    files = render.table("file", "rule", "kept in")
    for file in run.withheld():
        place = render.literal(_quarantined(directory, file.path), render.DIM)
        files.add_row(render.literal(file.path), Text(file.rule, style=render.REDACTED), place)
    render.section(out, "Withheld", files if files.row_count else nothing, "given to no backend")
    table = render.table("", "", "")
    for backend, rows in policies(chosen).items():
        for name, says in rows.items():
            table.add_row(render.literal(backend), render.literal(name), render.literal(says))
    render.section(out, "Policy", table, "as it is now, by backend")


def policies(chosen: Settings) -> dict[str, dict[str, str]]:
    """For each configured backend, and each that has one of its own, the policy that holds there."""
    found = chosen.policies
    names = dict.fromkeys([*map(name_of, chosen.backends), *found.own])
    return {name: dict(described(found.of(name))) for name in names}


def _quarantined(directory: Path, path: str) -> str:
    """Where a withheld file lies: itself, or what was taken of it, or of the model that it belongs to."""
    try:
        place = directory / QUARANTINE / safe_relative(path)
    except ValueError:
        return "nowhere: its path leads out of the run"
    existing = next((found for found in (place, *place.parents) if found.exists()), directory)
    return str(existing) if (directory / QUARANTINE) in existing.parents else "nowhere: it was removed"


def _as_json(run: StoredRun, chosen: Settings, directory: Path) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "redacted": [
            {
                "channel": one.channel,
                "rule": one.rule,
                "action": one.action,
                "confidence": one.confidence,
                "count": one.count,
            }
            for one in run.redactions()
        ],
        "withheld": [
            {"path": file.path, "rule": file.rule, "kept_in": _quarantined(directory, file.path)}
            for file in run.withheld()
        ],
        "policies": policies(chosen),
    }
