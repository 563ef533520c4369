"""How a demo looks: the code, a spinner while it runs, the runs that it left."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which

from rich.console import Console
from rich.syntax import Syntax
from rich.text import Text

import reticent
from reticent import settings
from reticent.backends.sqlite.stored import StoredRun
from reticent.cli import render

EXPERIMENT = "demo"
DELIVERY_S = 60
"""So long is waited for pictures and models, which take their time on a busy machine."""


def watch() -> float:
    """Capture what is trained from now on, and tell when that is."""
    # On data this small, threads wait for one another longer than they compute: far longer on a busy machine.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    reticent.configure(experiment=EXPERIMENT)
    reticent.autolog()
    return time.time()


def train(out: Console, title: str, source: str, training: Callable[[], str]) -> None:
    """Say what is trained and how, train, and say what came of it."""
    out.print(Text(title, style=render.HEAD))
    out.print()
    code(out, source)
    with busy(out, "training"):
        result = training()
    out.print(Text.assemble("   ", render.check("good"), f" {result}"))
    out.print()


@contextmanager
def busy(out: Console, doing: str) -> Iterator[None]:
    """A spinner while a person waits."""
    if not render.on_terminal(out):
        yield
        return
    with out.status(Text(doing, style=render.DIM), spinner_style=render.DIM):
        yield


def code(out: Console, source: str) -> None:
    """Print code, in colours where there are any."""
    if out.is_terminal and not out.no_color:
        out.print(Syntax(source, "python", theme="ansi_dark", background_color="default", padding=(0, 4)))
    else:
        out.print("\n".join(f"    {line}" for line in source.splitlines()), soft_wrap=True)
    out.print()


def since(out: Console, began: float) -> list[StoredRun]:
    """The demo's runs that have started since then, newest first, with all that belongs to them."""
    with busy(out, "delivering"):
        reticent.flush(DELIVERY_S)
    runs = reticent.search_runs(experiments=[EXPERIMENT])
    return [run for run in runs if (run.start_time or 0.0) >= began]


def look(out: Console, runs: list[StoredRun], shown: list[StoredRun], search: str) -> None:
    """List the runs, show some of them, and say how to go on."""
    from reticent.cli.runs import print_table, tree
    from reticent.cli.show import print_run

    _command(out, f"reticent runs -e {EXPERIMENT}", first=True)
    parents = [run for run in runs if run.parent_id is None]
    print_table(out, tree(parents, None, chronological=True))
    for run in shown:
        _command(out, f"reticent show {render.short(run.run_id)}")
        print_run(out, run, brief=True)
    out.print()
    out.print(Text("Look further", style=render.HEAD))
    name = _name()
    if shown:
        _further(out, f"{name} show {render.short(shown[0].run_id)} --all", "with all defaults")
    children = [run for run in runs if run.parent_id is not None]
    pair = (children if len(children) > 1 else parents)[:2]
    if len(pair) == 2:
        ids = " ".join(render.short(run.run_id) for run in pair)
        _further(out, f"{name} compare {ids}", "side by side")
    if search:
        _further(out, f"{name} runs -f '{search}'", "search")
    _further(out, f"{name} doctor", "what is captured here, and how it is set up")
    chosen = settings.current().settings
    out.print()
    out.print(Text("All of it lies in ", style=render.DIM).append_text(render.literal(settings.root(chosen))))


def _further(out: Console, command: str, why: str) -> None:
    out.print(Text.assemble(f"  {command}", (f"  # {why}", render.DIM)), soft_wrap=True)  # to be copied as it stands


def _name() -> str:
    """How this user calls `reticent`: by its place, if it is not where the shell looks."""
    place = Path(sys.executable).with_name("reticent")
    if which("reticent") or not place.exists():
        return "reticent"
    return os.path.relpath(place) if place.is_relative_to(Path.cwd()) else str(place)


def _command(out: Console, command: str, first: bool = False) -> None:
    if not first:
        out.print()
    out.print(Text.assemble(("$ ", render.DIM), (command, render.HEAD)))
    out.print()
