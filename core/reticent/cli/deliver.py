"""`reticent sync` and `reticent reindex`: bring backends, or the embedded database, up to date with the run logs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import Progress, ProgressColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from reticent import settings
from reticent.backends import name_of
from reticent.cli import render
from reticent.cli.waiting import progress_shown
from reticent.session import current


def sync_runs(to: Sequence[str] | None, run_ids: Sequence[str] | None) -> None:
    """Deliver to each backend in turn and say how far it got; exit code 1 if one of them failed."""
    from reticent.store import get_run, sync

    out = render.console()
    with progress_shown():
        wanted = [get_run(run_id).run_id for run_id in run_ids] if run_ids else None
    urls = list(dict.fromkeys(to or settings.current().settings.backends))
    if not urls:
        out.print("No backend is configured; name one with --to.")
        return
    failed = False
    for url in urls:
        with _progress(out, f"delivering to {name_of(url)}") as advance:
            results = sync([url], run_ids=wanted, advance=advance)
        for name, result in results.items():
            failed = failed or result.error is not None
            state = render.check("good" if result.error is None else "bad")
            got = f"{render.plural(result.runs, 'run')}, {render.plural(result.records, 'record')}"
            if not result.runs:
                got = "has everything already" if result.error is None else ""
            out.print(Text.assemble(state, " ", render.literal(name), "  ", (got, render.DIM)))
            if result.error is not None:
                out.print(Text("  ").append_text(render.literal(result.error, render.BAD)), soft_wrap=True)
    if failed:
        out.print(Text("What has not arrived is kept in the run log.", style=render.DIM))
        raise typer.Exit(1)


def rebuild() -> None:
    """Build the embedded database anew from the run logs."""
    from reticent.store import reindex

    out = render.console()
    with _progress(out, "reading run logs") as advance:
        count = reindex(advance=advance)
    text = Text.assemble(render.check("good"), f" {render.plural(count, 'run')} in the new database")
    if count:
        text.append("  the old one is kept as reticent.db.old", style=render.DIM)
    out.print(text)


@contextmanager
def _progress(out: Console, doing: str) -> Iterator[Callable[[int], None]]:
    """What to call as records arrive; a person sees them counted. How many there will be, nobody knows before."""
    if not render.on_terminal(out):
        yield lambda _: None
        return
    columns: tuple[ProgressColumn, ...] = (
        SpinnerColumn(style=render.DIM),
        TextColumn("{task.description}", markup=False),
        TextColumn("{task.completed:,.0f} records"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=out, transient=True) as progress:
        task = progress.add_task(doing, total=None)

        def working(what: str, done: int, total: int) -> None:
            told = f"{doing}: {render.literal(what, limit=60).plain}, {done / max(total, 1):.0%}"
            progress.update(task, description=told)

        session = current()
        before, session.working = session.working, working
        try:
            yield lambda records: progress.advance(task, records)
        finally:
            session.working = before
