"""`reticent bench SCRIPT`: what autologging adds to a script of the user's own, bare and autologged in turns."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psutil
from rich.text import Text

from reticent.backends import entry_point, refuse_secrets
from reticent.cli import render
from reticent.errors import ReticentError

Kind = Literal["bare", "autologged"]
KINDS: tuple[Kind, Kind] = ("bare", "autologged")

# As Python runs a script: in the module __main__, its directory first on the path. Where it ends is noted before what
# the end of the process waits for.
BARE = """
import sys
_script, _mark = sys.argv[1:3]
sys.argv[:] = [_script, *sys.argv[3:]]
if not getattr(sys.flags, "safe_path", False):
    import os.path
    sys.path[0] = os.path.dirname(os.path.abspath(_script))
    del os
def _ended(mark=_mark):
    import time
    with open(mark, "w") as file:
        file.write(repr(time.time()))
try:
    with open(_script, "rb") as _file:
        _code = compile(_file.read(), _script, "exec")
    __file__ = _script
    del sys
    exec(_code)
finally:
    _ended()
"""
AUTOLOGGED = f"import reticent\nreticent.autolog()\ndel reticent\n{BARE}"
CODES: dict[Kind, str] = {"bare": BARE, "autologged": AUTOLOGGED}

TOLD_LINES = 15
"""So much of what a script that failed has written last."""


@dataclass(frozen=True)
class Taken:
    wall_s: float
    cpu_s: float
    """Of all threads and child processes."""
    end_s: float | None
    """From the script's last line to the end of its process; None if it ended before, as by os._exit."""
    runs: int
    """How many were logged."""


def bench(script: Path, arguments: Sequence[str], rounds: int, backends: Sequence[str], *, as_json: bool) -> None:
    """Run the script in turns and print what was added. Raises ReticentError if it fails, or no backend is called so."""
    for url in backends:
        refuse_secrets(url)
        entry_point(url)
    taken: dict[Kind, list[Taken]] = {kind: [] for kind in KINDS}
    with _shown(2 * rounds) as advance:
        for number in range(rounds):
            for kind in KINDS if number % 2 == 0 else KINDS[::-1]:
                advance(f"{kind}, {number + 1} of {rounds}")
                taken[kind].append(_run(kind, script, arguments, backends))
    if as_json:
        render.dump(_told(script, arguments, taken))
    else:
        _show(taken)


def _run(kind: Kind, script: Path, arguments: Sequence[str], backends: Sequence[str]) -> Taken:
    with tempfile.TemporaryDirectory(prefix="reticent-bench-", ignore_cleanup_errors=True) as directory:
        place = Path(directory)
        own = {"RETICENT_DIR": str(place / "root"), "RETICENT_BACKENDS": ",".join(backends)}
        command = [sys.executable, "-c", CODES[kind], str(script), str(place / "ended"), *arguments]
        with (place / "output").open("w+b") as output:
            before, start = _children_cpu_s(), time.time()
            done = subprocess.run(  # noqa: S603 - the user's own script, which they asked to run
                command, env={**os.environ, **own}, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False
            )
            ended = time.time()
        cpu_s = _children_cpu_s() - before
        if done.returncode:
            raise ReticentError(_failure(kind, done.returncode, (place / "output").read_text(errors="replace")))
        mark = place / "ended"
        end_s = ended - float(mark.read_text()) if mark.exists() else None
        runs = sum(1 for _ in (place / "root" / "runs").glob("*"))
    return Taken(ended - start, cpu_s, end_s, runs)


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


def _show(taken: dict[Kind, list[Taken]]) -> None:
    out = render.console()
    table = render.table("", "bare", "autologged", "added", "p10", "p90", right=(1, 2, 3, 4, 5))
    for name, samples in _samples(taken).items():
        bare, logged = samples["bare"], samples["autologged"]
        added = _added(bare, logged)
        table.add_row(
            name,
            render.duration(statistics.median(bare)),
            render.duration(statistics.median(logged)),
            *(_signed(added[share]) for share in ("median", "p10", "p90")),
        )
    out.print(render.Block(table))
    out.print()
    for line in _remarks(taken):
        out.print(Text(line, style=render.DIM), soft_wrap=True)


def _samples(taken: dict[Kind, list[Taken]]) -> dict[str, dict[Kind, list[float]]]:
    """By what was measured; the end is left out where a script ended without one."""
    found: dict[str, dict[Kind, list[float]]] = {
        "wall": {kind: [one.wall_s for one in taken[kind]] for kind in KINDS},
        "processor": {kind: [one.cpu_s for one in taken[kind]] for kind in KINDS},
    }
    ends = {kind: [one.end_s for one in taken[kind] if one.end_s is not None] for kind in KINDS}
    if len(ends["bare"]) == len(ends["autologged"]) == len(taken["bare"]):
        found["end"] = ends
    return found


def _added(bare: Sequence[float], logged: Sequence[float]) -> dict[str, float]:
    """Of the differences round by round: the median, and what a tenth of them is below and above."""
    differences = [after - before for before, after in zip(bare, logged, strict=True)]
    tenths = statistics.quantiles(differences, n=10, method="inclusive") if len(differences) > 1 else differences
    return {"median": statistics.median(differences), "p10": tenths[0], "p90": tenths[-1]}


def _signed(seconds: float) -> str:
    return f"{'-' if seconds < 0 else '+'}{render.duration(abs(seconds))}"


def _remarks(taken: dict[Kind, list[Taken]]) -> Iterator[str]:
    rounds, runs = len(taken["bare"]), statistics.median(one.runs for one in taken["autologged"])
    yield (
        f"Medians of {render.plural(rounds, 'round')}, and of the differences within each. wall: the whole process;"
        " processor: its threads and child processes; end: from the script's last line to the end of the process."
    )
    if any(one.runs for one in taken["bare"]):
        yield "The script logs with Reticent by itself: what that costs is in both, and added is only the rest."
    elif runs:
        yield f"Captured each time: {render.plural(int(runs), 'run')}, kept in a temporary directory and removed."
    else:
        yield "Nothing was captured: `reticent doctor` says which frameworks are."


def _told(script: Path, arguments: Sequence[str], taken: dict[Kind, list[Taken]]) -> dict[str, Any]:
    samples = _samples(taken)
    return {
        "script": str(script),
        "arguments": list(arguments),
        "rounds": len(taken["bare"]),
        "runs": [one.runs for one in taken["autologged"]],
        "logs_itself": any(one.runs for one in taken["bare"]),
        **{
            f"{name}_s": {**kinds, "added": _added(kinds["bare"], kinds["autologged"])}
            for name, kinds in samples.items()
        },
    }


@contextmanager
def _shown(total: int) -> Iterator[Any]:
    """On a terminal, which run it is; nothing where stderr is none."""
    if not sys.stderr.isatty():
        yield lambda _what: None
        return
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(style=render.DIM), TextColumn("{task.description}", markup=False), BarColumn(20))
    with Progress(*columns, TimeElapsedColumn(), console=render.console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=total, completed=-1)
        yield lambda what: progress.update(task, description=what, advance=1)
