"""`reticent export` and `reticent import`: runs carried by hand, and old runs of other trackers."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import typer
from rich.text import Text

from reticent.bundle import BundledRun, export_runs, import_bundle
from reticent.cli import render
from reticent.cli.waiting import progress_shown
from reticent.errors import BundleError, SourceError
from reticent.sessions import current

TRACKERS = ("mlflow", "tensorboard", "wandb")
"""Whose old runs can be imported."""


def export(run_ids: Sequence[str], bundle: Path, key_file: Path | None, *, children: bool) -> None:
    """Write runs to a bundle and say what it holds."""
    from reticent.store import get_run

    with progress_shown():
        found = [get_run(run_id) for run_id in run_ids]
        wanted = {}
        while found:
            run = found.pop(0)
            if run.run_id not in wanted:
                wanted[run.run_id] = run
                found += run.children() if children else []
        try:
            manifest = export_runs(current(), list(wanted), bundle, key_file)
        except OSError as error:
            raise BundleError(f"{bundle} cannot be written: {error}") from error
    out = render.console()
    facts = [
        f"{render.size(bundle.stat().st_size)} of {render.size(manifest.size())}",
        *([] if key_file is None else ["signed"]),
    ]
    told = f" {render.plural(len(manifest.runs), 'run')} in {bundle}"
    out.print(Text.assemble(render.check("good"), render.literal(told), f"  {', '.join(facts)}"), soft_wrap=True)
    _tell_open(manifest.runs, "goes on; what there was by now is in the bundle")
    left = sum(run.child_count for run in wanted.values()) if not children else 0
    if left:
        out.print(Text(f"Their children ({left}) are left out; --children takes them too.", style=render.DIM))


def import_runs(bundle: Path, key_file: Path | None) -> None:
    """Import a bundle and say what came."""
    with progress_shown():
        try:
            imported = import_bundle(current(), bundle, key_file)
        except OSError as error:
            raise BundleError(f"{bundle} cannot be imported: {error}; nothing of it was taken") from error
    out = render.console()
    for run in imported.new:
        out.print(Text.assemble(render.check("good"), f" {run.run_id}"))
    for run in imported.known:
        out.print(Text.assemble(render.check("none"), f" {run.run_id}", ("  is here already", render.DIM)))
    _tell_open(imported.new, "was still going on when it was exported")
    if imported.signed and key_file is None:
        out.print(Text("The bundle is signed; --verify PUBKEYFILE checks by whom.", style=render.DIM))
    if imported.new:
        out.print(Text("`reticent sync` delivers what backends have not got.", style=render.DIM))


def import_from(tracker: str, source: str, experiments: Sequence[str], *, unfinished: bool) -> None:
    """Import runs of another tracker and say what came."""
    from reticent.importing import bring_in

    if tracker not in TRACKERS:
        raise SourceError(f"runs of {tracker!r} cannot be imported; those of {', '.join(TRACKERS)} can")
    with progress_shown():
        try:
            counts = bring_in(
                current(),
                tracker,
                import_module(f"reticent.importing.{tracker}").runs(source, experiments),
                unfinished=unfinished,
            )
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                told = (
                    f"there is no room under {current().root} for the runs of {tracker} ({error.strerror}); make some, or "
                    "name another place in RETICENT_DIR, and import again: what came before is kept"
                )
                raise SourceError(told) from error
            raise SourceError(f"the runs of {tracker} cannot be imported: {error}") from error
    out = render.console()
    for run_id, name in counts.new:
        out.print(Text.assemble(render.check("good"), f" {render.short(run_id)}  ", render.literal(name)))
    if counts.known:
        out.print(Text(f"{render.plural(counts.known, 'run')} imported before", style=render.DIM))
    if counts.running:
        told = (
            f"{render.plural(counts.running, 'run')} left out: not ended, says {tracker} (--unfinished takes them too)"
        )
        out.print(Text(told, style=render.DIM))
    for run_id, why in counts.failed:
        out.print(Text.assemble(render.check("bad"), " ", render.literal(f"{run_id}  {why}")), soft_wrap=True)
    if counts.failed:
        raise typer.Exit(1)


def _tell_open(runs: Sequence[BundledRun], what: str) -> None:
    for run in runs:
        if not run.ended:
            render.console().print(Text.assemble(render.check("fair"), f" {run.run_id} {what}"))
