"""How long does a process take to end after a small fit, with everything delivered?

From the last line of a script to the exit of its process, bare and autologged, interleaved: pictures, models and deliveries
that the end waits for are in it. The processor's time, of all threads and child processes, says more on a busy machine.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from benchmarks.fits import FRAMEWORKS
from benchmarks.script import processor_s

REPEATS = 5

FIT = """
import os, sys, time, warnings
warnings.simplefilter("ignore")
from importlib import import_module
import_module(f"benchmarks.fits.{sys.argv[1]}").prepare()()
print("\\nended", time.time(), sum(os.times()[:4]), flush=True)
"""
CODES = {"bare": FIT, "autologged": f"import reticent\nreticent.autolog()\n{FIT}"}


def measure() -> list[dict[str, object]]:
    return [_row(framework) for framework in FRAMEWORKS if find_spec(framework)]


def _row(framework: str) -> dict[str, object]:
    ends: dict[str, list[float]] = {name: [] for name in CODES}
    busy: dict[str, list[float]] = {name: [] for name in CODES}
    whole: dict[str, list[float]] = {name: [] for name in CODES}
    left = 0
    for _ in range(REPEATS):
        for name, code in CODES.items():
            print(f"{framework}, {name}...", file=sys.stderr, flush=True)
            before = processor_s()
            end_s, busy_s, told = _ended(framework, code)
            ends[name].append(end_s)
            whole[name].append(processor_s() - before)
            busy[name].append(whole[name][-1] - busy_s)
            left += "reticent: not " in told
    return {
        "fit": (import_module(f"benchmarks.fits.{framework}").__doc__ or "").strip(),
        "bare end s": statistics.median(ends["bare"]),
        "autologged end s": statistics.median(ends["autologged"]),
        "bare end, processor s": statistics.median(busy["bare"]),
        "autologged end, processor s": statistics.median(busy["autologged"]),
        "bare, processor s in all": statistics.median(whole["bare"]),
        "autologged, processor s in all": statistics.median(whole["autologged"]),
        "ends with something left": left,
    }


def _ended(framework: str, code: str) -> tuple[float, float, str]:
    """The seconds from the last line of the script to its exit, the processor's up to there, and what it told."""
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
    return exited - float(at), float(busy_s), done.stderr
