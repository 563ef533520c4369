"""How long does a process take to end after a small fit, with everything delivered?

From the last line of a script to the exit of its process, in turns: bare, autologged, and by MLflow's autologging with a
local SQLite database. Pictures, models and deliveries that the end waits for are in it. MLflow has most of that behind it by
then: so the whole process is told too. The processor's time, of all threads and child processes, says more on a busy
machine. One turn, if `BENCH_RUNS` does not say otherwise, and not all frameworks: imports take longer than all the rest.
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
from benchmarks.fits import SETTINGS
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
FRAMEWORKS = ("sklearn", "xgboost", "statsmodels", "keras", "lightning")
MLFLOW = """
import os, mlflow
mlflow.set_tracking_uri(f"sqlite:///{os.getcwd()}/mlflow.db")
mlflow.autolog(silent=True)
"""
CODES = {
    "bare": ("reticent", FIT),
    "autologged": ("reticent", f"import reticent\nreticent.autolog()\n{FIT}"),
    "MLflow's": ("mlflow", MLFLOW + FIT),
}
"""With whose settings, and the script."""


def measure() -> list[Row]:
    return [_row(framework) for framework in FRAMEWORKS if find_spec(framework)]


def _row(framework: str) -> Row:
    say(framework)
    times = rounds(1)
    tasks = {name: partial(_ended, framework, *code) for name, code in CODES.items() if find_spec(code[0])}
    took = in_turns(tasks, times)
    module = import_module(f"benchmarks.fits.{framework}")
    row: Row = {"fit": f"{(module.__doc__ or '').strip()}, {next(iter(module.SIZES))}", "rounds": times}
    for place, what in enumerate(("end s", "end, processor s", "processor s in all")):
        for name in CODES:
            row[f"{name} {what}"] = spread(one[place] for one in took[name]) if name in took else ""
    row["ends with something left"] = sum("reticent: not " in told for *_, told in took["autologged"])
    return row


def _ended(framework: str, logger: str, code: str) -> tuple[float, float, float, str]:
    """The seconds from the last line of the script to its exit, the processor's of that and of all, and what it told."""
    before = processor.of_ended()
    with tempfile.TemporaryDirectory() as place:
        log = Path(place, "log")
        with log.open("wb") as file:  # not a pipe: who goes on beside could hold that open
            command = [sys.executable, "-c", code, framework]
            done = subprocess.run(command, env=SETTINGS[logger](Path(place)), cwd=place, stdout=file, stderr=file)
        exited, told = time.monotonic(), log.read_text(errors="replace")
    if done.returncode:
        raise RuntimeError(f"{framework}:\n{told}")
    ended = next(line for line in told.splitlines()[::-1] if line.startswith("ended "))
    _, at, busy_s = ended.split()
    whole = processor.of_ended() - before
    return exited - float(at), whole - float(busy_s), whole, told
