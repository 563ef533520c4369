"""How long does a process take to end after a small fit, with everything delivered?

From the last line of a script to the exit of its process, bare and autologged, interleaved: pictures, models and deliveries
that the end waits for are in it. The processor's time, of all threads and child processes, says more on a busy machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from benchmarks.fits import FRAMEWORKS
from benchmarks.script import processor_s
from benchmarks.turns import Row, in_turns, say, spread

REPEATS = 5

FIT = """
import os, sys, time, warnings
warnings.simplefilter("ignore")
from importlib import import_module
import_module(f"benchmarks.fits.{sys.argv[1]}").prepare()()
print("\\nended", time.time(), sum(os.times()[:4]), flush=True)
"""
CODES = {"bare": FIT, "autologged": f"import reticent\nreticent.autolog()\n{FIT}"}


def measure() -> list[Row]:
    return [_row(framework) for framework in FRAMEWORKS if find_spec(framework)]


def _row(framework: str) -> Row:
    say(framework)
    took = in_turns({name: partial(_ended, framework, code) for name, code in CODES.items()}, REPEATS)
    row: Row = {"fit": (import_module(f"benchmarks.fits.{framework}").__doc__ or "").strip()}
    for place, what in enumerate(("end s", "end, processor s", "processor s in all")):
        for name, rounds in took.items():
            row[f"{name} {what}"] = spread(one[place] for one in rounds)
    row["ends with something left"] = sum("reticent: not " in told for *_, told in took["autologged"])
    return row


def _ended(framework: str, code: str) -> tuple[float, float, float, str]:
    """The seconds from the last line of the script to its exit, the processor's of that and of all, and what it told."""
    before = processor_s()
    with tempfile.TemporaryDirectory() as place:
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "TOKENIZERS_PARALLELISM": "false", "CUDA_VISIBLE_DEVICES": ""}
        threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1"}
        path = os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
        done = subprocess.run(
            [sys.executable, "-c", code, framework],
            env={**os.environ, **quiet, **threads, "PYTHONPATH": path, "RETICENT_DIR": f"{place}/root"},
            cwd=place,
            capture_output=True,
            text=True,
        )
        exited = time.time()
    if done.returncode:
        raise RuntimeError(f"{framework}:\n{done.stderr}")
    ended = next(line for line in done.stdout.splitlines()[::-1] if line.startswith("ended "))
    _, at, busy_s = ended.split()
    whole = processor_s() - before
    return exited - float(at), whole - float(busy_s), whole, done.stderr
