"""`reticent bench SCRIPT`: what autologging adds to a script of the user's own, bare and autologged in turns.

A round that is not counted goes before: the first process of all reads its files from the disk, and would be slower,
whichever it is.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psutil

from reticent.backends import entry_point, refuse_secrets
from reticent.cli import render
from reticent.errors import ReticentError

Kind = Literal["bare", "autologged"]
KINDS: tuple[Kind, Kind] = ("bare", "autologged")
How = Literal["script", "module"]

# In the user's process, with a directory for notes as the first argument: noted are when their code ended, before what
# the end of the process waits for, and the process's memory after that. A forked child's end is another matter.
NOTES = """
import atexit, os, sys
_place, _process = sys.argv.pop(1), os.getpid()
del sys.argv[0]
def _note(name, place=_place, process=_process):
    import os, sys, time
    if os.getpid() == process:
        with open(os.path.join(place, name), "w") as file:
            print(time.monotonic(), "reticent" in sys.modules, file=file)
            if os.path.exists("/proc/self/status"):
                with open("/proc/self/status") as status:
                    file.write(status.read())
atexit.register(_note, "exit")
del atexit, os, _place, _process
"""
# As Python runs a script, in the module __main__, its directory first on the path; or as `python -m` does.
RUN: dict[How, str] = {
    "script": """
try:
    __file__ = sys.argv[0]
    if not getattr(sys.flags, "safe_path", False):
        import os.path
        sys.path[0] = os.path.dirname(os.path.realpath(__file__))
        del os
    with open(__file__, "rb") as _file:
        _code = compile(_file.read(), __file__, "exec")
    del sys
    exec(_code)
finally:
    _note("end")
""",
    "module": """
try:
    import runpy
    runpy._run_module_as_main(sys.argv[0])
finally:
    _note("end")
""",
}
AUTOLOGGED = "import reticent\nreticent.autolog()\ndel reticent\n"
SILENCED = "import reticent\nreticent.autolog = lambda *_, **__: None\ndel reticent\n"
"""Bare, of a script that calls autolog() by itself."""

TOLD_LINES = 15
"""So much of what a script that failed has written last."""
OWN_LINES = 3
"""So many of our own lines, of what an autologged script has written."""
PEAK = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)


@dataclass(frozen=True)
class Subject:
    name: str
    how: How
    arguments: Sequence[str]
    backends: Sequence[str]


@dataclass(frozen=True)
class Taken:
    wall_s: float
    cpu_s: float
    """Of all threads and child processes."""
    end_s: float | None
    """From the last line of the user's code to the end of its process; None if it ended before, as by os._exit."""
    memory: float | None
    """In bytes, the most that the process itself had; None where the system does not tell."""
    runs: int
    """How many were logged."""
    imported: bool
    """Whether Reticent was, by whomever, as far as the end tells."""
    said: tuple[str, ...]
    """Our own lines, of what it wrote."""


def bench(subject: Subject, rounds: int, *, as_json: bool) -> None:
    """Run it in turns and print what was added. Raises ReticentError if it fails, or no backend is called so.

    Ctrl-C ends it with what the rounds that were whole have told.
    """
    for url in subject.backends:
        refuse_secrets(url)
        entry_point(url)
    taken: dict[Kind, list[Taken]] = {kind: [] for kind in KINDS}
    interrupted = False
    with _shown(2 * rounds + 2) as advance:
        advance("bare, not counted")
        first = _run("bare", "", subject)
        own = first.imported or first.runs > 0
        before = {"bare": SILENCED if own else "", "autologged": AUTOLOGGED}
        advance("autologged, not counted")
        _run("autologged", AUTOLOGGED, subject)
        try:
            for number in range(rounds):
                for kind in KINDS if number % 2 == 0 else KINDS[::-1]:
                    advance(f"{kind}, {number + 1} of {rounds}")
                    taken[kind].append(_run(kind, before[kind], subject))
        except KeyboardInterrupt:
            interrupted = True
    whole = min(map(len, taken.values()))
    if whole:
        taken = {kind: taken[kind][:whole] for kind in KINDS}
        if as_json:
            render.dump(_told(subject, own, taken))
        else:
            _show(own, taken)
    if interrupted:
        raise KeyboardInterrupt


def _run(kind: Kind, before: str, subject: Subject) -> Taken:
    with tempfile.TemporaryDirectory(prefix="reticent-bench-", ignore_cleanup_errors=True) as directory:
        place = Path(directory)
        own = {"RETICENT_DIR": str(place / "root"), "RETICENT_BACKENDS": ",".join(subject.backends)}
        command = [sys.executable, "-c", NOTES + before + RUN[subject.how], str(place)]
        with (place / "output").open("w+b") as output:
            busy, start = _children_cpu_s(), time.monotonic()
            done = subprocess.run(  # noqa: S603 - the user's own script, which they asked to run
                [*command, subject.name, *subject.arguments],
                env={**os.environ, **own},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                check=False,
            )
            exited = time.monotonic()
        cpu_s = _children_cpu_s() - busy
        written = (place / "output").read_text(errors="replace")
        if done.returncode:
            raise ReticentError(_failure(kind, done.returncode, written))
        ended, imported = _noted(place / "end")[:2]
        peak = PEAK.search((place / "exit").read_text()) if (place / "exit").exists() else None
        return Taken(
            wall_s=exited - start,
            cpu_s=cpu_s,
            end_s=exited - float(ended) if ended else None,
            memory=int(peak[1]) * 1024 if peak else None,
            runs=sum(1 for _ in (place / "root" / "runs").glob("*")),
            imported=imported == "True",
            said=tuple(line for line in written.splitlines() if line.startswith("reticent: ")),
        )


def _noted(note: Path) -> list[str]:
    return note.read_text().split("\n", 1)[0].split() if note.exists() else ["", ""]


def _children_cpu_s() -> float:
    """Of this process's children that have ended, and theirs."""
    used = psutil.Process().cpu_times()
    return float(used.children_user + used.children_system)


def _failure(kind: Kind, code: int, output: str) -> str:
    how = f"was ended by signal {-code}" if code < 0 else f"failed with exit code {code}"
    why = {
        "bare": f"the script {how} without autologging, so that there is nothing to compare",
        "autologged": f"the script {how} with autologging only; that should not be: please report it",
    }
    told = "\n".join(output.rstrip("\n").split("\n")[-TOLD_LINES:])
    return f"{why[kind]}. It wrote last:\n{told}" if told else f"{why[kind]}. It wrote nothing."


@dataclass(frozen=True)
class Measured:
    key: str
    label: str
    of: Callable[[Taken], float | None]
    shown: Callable[[float], str]


MEASURED = (
    Measured(
        "script_s",
        "start to last line",
        lambda one: None if one.end_s is None else one.wall_s - one.end_s,
        render.duration,
    ),
    Measured("end_s", "end of the process", lambda one: one.end_s, render.duration),
    Measured("wall_s", "both, wall time", lambda one: one.wall_s, render.duration),
    Measured("processor_s", "both, processor time", lambda one: one.cpu_s, render.duration),
    Measured("memory_bytes", "memory, at most", lambda one: one.memory, render.size),
)


def _samples(what: Measured, taken: dict[Kind, list[Taken]]) -> dict[Kind, list[float]] | None:
    """None where a script ended without telling it."""
    found = {kind: [value for one in taken[kind] if (value := what.of(one)) is not None] for kind in KINDS}
    return found if all(len(found[kind]) == len(taken[kind]) for kind in KINDS) else None


def _added(samples: dict[Kind, list[float]]) -> dict[str, float]:
    """Of the differences round by round."""
    found = [after - before for before, after in zip(samples["bare"], samples["autologged"], strict=True)]
    return {"median": statistics.median(found), "least": min(found), "most": max(found)}


def _show(own: bool, taken: dict[Kind, list[Taken]]) -> None:
    out = render.console()
    spread = ("least", "most") if len(taken["bare"]) > 1 else ()
    table = render.table("", *KINDS, "added", *spread, right=range(1, 4 + len(spread)))
    for what in MEASURED:
        if samples := _samples(what, taken):
            added = _added(samples)
            medians = [what.shown(statistics.median(samples[kind])) for kind in KINDS]
            signed = [_signed(added[share], what.shown) for share in ("median", *spread)]
            table.add_row(what.label, *medians, *signed)
    out.print(render.Block(table))
    out.print()
    for line in _remarks(own, taken):
        out.print(render.literal(line, render.DIM), soft_wrap=True)


def _signed(value: float, shown: Callable[[float], str]) -> str:
    return f"{'-' if value < 0 else '+'}{shown(abs(value))}"


def _remarks(own: bool, taken: dict[Kind, list[Taken]]) -> Iterator[str]:
    rounds, last = len(taken["bare"]), taken["autologged"][-1]
    yield (
        f"{render.plural(rounds, 'round')} after one that is not counted; medians, and those of the differences within each"
        " round. Processor time is of all threads and child processes, memory of the process alone."
    )
    wall = _added({kind: [one.wall_s for one in taken[kind]] for kind in KINDS})
    if wall["least"] < 0 < wall["most"]:
        yield "What was added to the wall time is less than what that varies by itself; more rounds (-n) tell more."
    if own:
        yield "The script imports Reticent: an autolog() of its own did nothing when it ran bare."
    if any(one.runs for one in taken["bare"]):
        yield "What it logs by hand is in both, so that added is only the rest."
    if last.runs:
        yield f"Captured each time: {render.plural(last.runs, 'run')}, kept in a temporary directory and removed."
    else:
        yield "Nothing was captured: `reticent doctor` says which frameworks are."
    if last.said:
        yield "Reticent said in the last round:"
        yield from _without_secrets(last.said[-OWN_LINES:])


def _without_secrets(lines: Sequence[str]) -> Iterator[str]:
    """The script may have written such a line as well."""
    from reticent.backends.credentials import knowing

    redactor = knowing()
    for line in lines:
        yield f"  {redactor.redact_text(line)}"


def _told(subject: Subject, own: bool, taken: dict[Kind, list[Taken]]) -> dict[str, Any]:
    every = {what.key: samples for what in MEASURED if (samples := _samples(what, taken))}
    return {
        "script": subject.name,
        "arguments": list(subject.arguments),
        "rounds": len(taken["bare"]),
        "runs": [one.runs for one in taken["autologged"]],
        "imports_reticent": own,
        "logs_itself": any(one.runs for one in taken["bare"]),
        **{key: {**samples, "added": _added(samples)} for key, samples in every.items()},
    }


@contextmanager
def _shown(total: int) -> Iterator[Callable[[str], None]]:
    """On a terminal, which run it is, once a second: more would take from what is measured. Nothing where stderr is none."""
    if not sys.stderr.isatty():
        yield lambda _what: None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(20), TimeElapsedColumn())
    out = render.console(stderr=True)
    with Progress(*columns, console=out, transient=True, refresh_per_second=1) as progress:
        task = progress.add_task("", total=total, completed=-1)
        yield lambda what: progress.update(task, description=what, advance=1)
