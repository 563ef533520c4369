"""How long does a process take to end after a small fit, with everything delivered?

From the last line of a script to the exit of its process, bare and autologged, in turns: pictures, models and deliveries
that the end waits for are in it. The processor's time, of all threads and child processes, says more on a busy machine. One
turn, if `BENCH_RUNS` does not say otherwise: the imports take longer than all the rest.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from benchmarks import processor
from benchmarks.fits import FRAMEWORKS, settings
from benchmarks.turns import Row, in_turns, rounds, say, spread

FIT = """
import resource, sys, time, warnings
warnings.simplefilter("ignore")
from importlib import import_module
module = import_module(f"benchmarks.fits.{sys.argv[1]}")
module.prepare(**next(iter(module.SIZES.values())))()
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print("\\nended", time.monotonic(), time.process_time() + used.ru_utime + used.ru_stime, flush=True)
"""
CODES = {"bare": FIT, "autologged": f"import reticent\nreticent.autolog()\n{FIT}"}


def measure() -> list[Row]:
    return [_row(framework) for framework in FRAMEWORKS if find_spec(framework)]


def _row(framework: str) -> Row:
    say(framework)
    times = rounds(1)
    took = in_turns({name: partial(_ended, framework, code) for name, code in CODES.items()}, times)
    module = import_module(f"benchmarks.fits.{framework}")
    row: Row = {"fit": f"{(module.__doc__ or '').strip()}, {next(iter(module.SIZES))}", "rounds": times}
    for place, what in enumerate(("end s", "end, processor s", "processor s in all")):
        for name, ends in took.items():
            row[f"{name} {what}"] = spread(one[place] for one in ends)
    row["ends with something left"] = sum("reticent: not " in told for *_, told in took["autologged"])
    return row


def _ended(framework: str, code: str) -> tuple[float, float, float, str]:
    """The seconds from the last line of the script to its exit, the processor's of that and of all, and what it told."""
    before = processor.of_ended()
    with tempfile.TemporaryDirectory() as place:
        log = Path(place, "log")
        with log.open("wb") as file:  # not a pipe: who goes on beside could hold that open
            command = [sys.executable, "-c", code, framework]
            done = subprocess.run(command, env=settings(Path(place)), cwd=place, stdout=file, stderr=file)
        exited, told = time.monotonic(), log.read_text(errors="replace")
    if done.returncode:
        raise RuntimeError(f"{framework}:\n{told}")
    ended = next(line for line in told.splitlines()[::-1] if line.startswith("ended "))
    _, at, busy_s = ended.split()
    whole = processor.of_ended() - before
    return exited - float(at), whole - float(busy_s), whole, told
