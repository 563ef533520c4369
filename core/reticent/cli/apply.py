"""`reticent redact apply`: today's policy on stored runs, and what could not be reached by it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from reticent.cli import render
from reticent.errors import RunNotFoundError
from reticent.retroactive import Applied, Outcome, apply, delete_quarantined, preview, stored_runs
from reticent.sessions import current


def apply_policy(run_ids: Sequence[str], *, dry_run: bool, delete: bool, as_json: bool) -> None:
    session = current()
    known = stored_runs(session)
    wanted = [_whole(run_id, known) for run_id in run_ids] if run_ids else None
    out = render.console()
    act = preview if dry_run else apply
    with _progress(out, len(known if wanted is None else wanted), shown=not as_json) as advance:
        outcome = act(session, wanted, advance)
    deleted = delete_quarantined(session, outcome) if delete else None
    if as_json:
        render.dump({**_as_json(outcome, dry_run), "deleted_quarantined": deleted or 0})
    else:
        _print(out, outcome, dry_run)
        _print_quarantined(out, outcome, deleted)
    if any(run.state in ("live", "failed") for run in outcome.runs):
        raise typer.Exit(1)


def _whole(beginning: str, known: Sequence[str]) -> str:
    """The id that begins so."""
    found = [beginning] if beginning in known else [run_id for run_id in known if run_id.startswith(beginning)]
    if len(found) != 1:
        several = f"the ids of {len(found)} runs begin with" if found else "no run has an id that is or begins with"
        raise RunNotFoundError(f"{several} {beginning!r}")
    return found[0]


def _print(out: Console, outcome: Outcome, dry_run: bool) -> None:
    changed = [run for run in outcome.runs if run.state == "changed"]
    would = "would be " if dry_run else ""
    if not changed:
        out.print(Text.assemble(render.check("good"), f" nothing to hide in {render.plural(len(outcome.runs), 'run')}"))
    else:
        table = render.table("run", "hidden", "files", "withheld", right=(1, 2, 3))
        for run in changed:
            hidden = sum(run.hidden.values())
            table.add_row(run.run_id, f"{hidden:,}", f"{len(run.files):,}", f"{len(run.withheld):,}")
        note = f"{would}redacted again, of {len(outcome.runs):,}"
        render.section(out, render.plural(len(changed), "run"), table, note)
        _print_hidden(out, changed)
        _print_withheld(out, changed, would)
    left_out = {
        "live": "being written by a process; redact it again when that has ended",
        "failed": "could not be redacted",
    }
    for run in outcome.runs:
        if run.state in left_out:
            why = run.error or left_out[run.state]
            out.print(
                Text.assemble(render.check("bad"), f" {run.run_id}  left out: ", render.literal(why)), soft_wrap=True
            )
    if outcome.database is not None:
        removed = f", {render.plural(outcome.blobs, 'old file')} removed" if outcome.blobs else ""
        text = f" the embedded database was made anew, {render.plural(outcome.database, 'run')}{removed}"
        out.print(Text.assemble("\n", render.check("good"), text))
    elif outcome.runs and not dry_run:
        out.print(
            Text.assemble(render.check("good"), " the embedded database stays as it is: nothing in it has changed")
        )
    for backend, ids in outcome.beyond_recall().items():
        what = f" {backend} has got {render.plural(len(ids), 'of these runs', 'of these runs')} as before: {', '.join(ids)}"
        out.print(Text.assemble(render.check("fair"), what), soft_wrap=True)
        again = "is not recalled from there; what replaces it goes out with the next `reticent sync`"
        out.print(Text(f"  {'it' if len(ids) == 1 else 'they'} {again}", style=render.DIM))


def _print_hidden(out: Console, changed: Sequence[Applied]) -> None:
    counts: Counter[tuple[str, str, str, str]] = Counter()
    for run in changed:
        counts.update(run.hidden)
    table = render.table("where", "rule", "done", "sure", "times", right=(4,))
    for (channel, rule, action, confidence), count in sorted(counts.items()):
        table.add_row(channel, Text(rule, style=render.REDACTED), action, confidence, f"{count:,}")
    if counts:
        render.section(out, "Hidden", table)


def _print_withheld(out: Console, changed: Sequence[Applied], would: str) -> None:
    table = render.table("run", "file", "rule")
    for run in changed:
        for path, rule in run.withheld.items():
            table.add_row(run.run_id, render.literal(path), Text(rule, style=render.REDACTED))
    if table.row_count:
        render.section(out, "Withheld", table, f"{would}kept in the run's quarantine")


def _print_quarantined(out: Console, outcome: Outcome, deleted: int | None) -> None:
    table = render.table("run", "file")
    for run in outcome.runs:
        for path in run.quarantined:
            table.add_row(run.run_id, render.literal(path))
    if table.row_count and deleted is None:
        render.section(out, "In quarantine", table, "raw, given to no backend; --delete-quarantined removes them")
    elif deleted is not None:
        files = render.plural(deleted, "file")
        out.print(Text.assemble(render.check("good"), f" {files} removed from quarantine"))


@contextmanager
def _progress(out: Console, total: int, shown: bool) -> Iterator[Callable[[], None]]:
    if not shown or not render.on_terminal(out):
        yield lambda: None
        return
    columns = (TextColumn("redacting"), BarColumn(), MofNCompleteColumn(), TextColumn("runs"), TimeElapsedColumn())
    with Progress(*columns, console=out, transient=True) as progress:
        task = progress.add_task("", total=total)
        yield lambda: progress.advance(task)


def _as_json(outcome: Outcome, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "runs": [
            {
                "run_id": run.run_id,
                "state": run.state,
                "hidden": [{**hidden._asdict(), "count": count} for hidden, count in run.hidden.items()],
                "files": run.files,
                "withheld": run.withheld,
                "quarantined": run.quarantined,
                "error": run.error,
            }
            for run in outcome.runs
        ],
        "database": outcome.database,
        "removed_contents": outcome.blobs,
        "cannot_recall": outcome.beyond_recall(),
    }
