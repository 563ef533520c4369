"""`reticent sync` and `reticent reindex`: bring backends, or the embedded database, up to date with the run logs."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import typer
from rich.console import Console
from rich.progress import Progress, ProgressColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from reticent import settings
from reticent.backends import name_of, refuse_secrets
from reticent.cli import render
from reticent.cli.waiting import progress_shown
from reticent.sessions import current

_SECONDS = {"m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


def moment(text: str) -> float:
    """What `--since` says, in epoch seconds: so long ago (30m, 12h, 2d, 1w), or a date, or a date and a time of day."""
    if ago := re.fullmatch(r"([0-9]{1,6})([mhdw])", text):
        return time.time() - int(ago[1]) * _SECONDS[ago[2]]
    try:
        found = datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        told = f"{text!r} is no time: say how long ago (30m, 12h, 2d, 1w), or a date such as 2026-11-01"
        raise typer.BadParameter(told, param_hint="--since") from None
    if found > time.time():
        told = f"{text!r} lies in the future: nothing can have been logged since then; say a time that is over"
        raise typer.BadParameter(told, param_hint="--since")
    return found


def sync_runs(to: Sequence[str] | None, run_ids: Sequence[str] | None, since: float | None) -> None:
    """Deliver to each backend in turn and say how far it got; exit code 1 if one of them failed."""
    from reticent.store import sync

    out = render.console()
    wanted, urls = _ids(run_ids), _urls(to)
    if not urls:
        out.print(_NO_BACKEND)
        return
    failed = False
    for url in urls:
        with _progress(out, f"delivering to {name_of(url)}") as advance:
            results = sync([url], run_ids=wanted, advance=advance, since=since)
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


def watch_runs(to: Sequence[str] | None, run_ids: Sequence[str] | None, since: float | None) -> None:
    """Deliver what there is and what comes, to all backends at once, until Ctrl-C or SIGTERM."""
    from reticent.cli.watch import watch
    from reticent.delivery import Lane
    from reticent.store import written_since

    out = render.console()
    wanted, urls, session = _ids(run_ids), _urls(to), current()
    lanes = [session.new_sender(url, Lane) for url in urls]
    for lane in lanes:
        lane.wanted = lambda run_id: (
            (wanted is None or run_id in wanted) and written_since(session.run_directory(run_id), since)
        )
    if lanes:
        watch(out, lanes, session.settings.deliver_s, session.settings.exit_timeout_s)
    else:
        out.print(_NO_BACKEND)


def _ids(beginnings: Sequence[str] | None) -> list[str] | None:
    """The whole ids of the runs that were named."""
    from reticent.store import get_run

    with progress_shown():
        return [get_run(beginning).run_id for beginning in beginnings] if beginnings else None


def _urls(to: Sequence[str] | None) -> list[str]:
    urls = list(dict.fromkeys(to or settings.current().settings.backends))
    for url in urls:
        refuse_secrets(url)
    return urls


_NO_BACKEND = "No backend is configured; name one with --to."


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
