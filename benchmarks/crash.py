"""How many points are lost when a training is killed by `kill -9`, whose log call had returned?

Each tracker in a process of its own, logging a point every 2 ms, is killed 0.5 to 4 s after its first point, at random
moments, which are the same for all. Only the process that trains is killed, as the kernel does that runs out of memory;
a service process beside it has 10 s to finish what it has got. A call that has returned is counted in memory that
outlives the process. In the end another process asks the tracker's own reader what there is; where a reader refuses,
all points are lost. How much a tracker loses depends on the moment: what it keeps in memory it writes after so many
points or seconds.
"""

from __future__ import annotations

import os
import random
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import psutil

from benchmarks.tracker_processes import answer, command, installed, prepare, settings
from benchmarks.turns import Row, rounds, say

PAUSE_S = 0.002
TOGETHER = 2
"""So many trainings for each core: half of the time they pause, or wait for a service."""
STARTS_WITHIN_S = 120
KILLED = (
    "reticent.log_metric",
    "trackio",
    "tensorboardX",
    "TensorBoard (torch)",
    "dvclive",
    "wandb, offline",
    "aim",
    "mlflow, SQLite",
    "mlflow, SQLite, async",
)


def measure() -> list[Row]:
    pythons = installed(KILLED)
    moments = [random.Random(number).uniform(0.5, 4) for number in range(rounds(4))]
    with ThreadPoolExecutor(TOGETHER * (os.cpu_count() or 1)) as pool:  # times are not asked here
        kills = {
            name: [pool.submit(killed, python, name, after_s) for after_s in moments]
            for name, python in pythons.items()
        }
        return [row(name, [one.result() for one in counts]) for name, counts in kills.items()]


def killed(python: str, name: str, after_s: float) -> tuple[int, int]:
    """How many calls had returned, and how many points there are."""
    say(f"{name}, killed after {after_s:.1f} s")
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        (place / "returned").write_bytes(bytes(8))
        prepare(name, place)
        log = stack.enter_context((place / "log").open("wb"))
        training = subprocess.Popen(
            command(python, "train", name, place, PAUSE_S), env=settings(place, None), cwd=place, stdout=log, stderr=log
        )
        try:
            _wait_for_points(training, place)
            time.sleep(after_s)
            beside = psutil.Process(training.pid).children(recursive=True)
        finally:
            training.kill()
            training.wait()
        _, left = psutil.wait_procs(beside, timeout=10)
        for process in left:
            process.kill()
        returned = _returned(place)
        try:
            found = int(answer(python, "read", name, place, None))
        except RuntimeError as error:
            say(f"{name}: its reader refuses: {str(error).splitlines()[-1]}")
            found = 0
    return returned, found


def _wait_for_points(training: subprocess.Popen[bytes], place: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while not _returned(place):
        if training.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"it logged nothing:\n{(place / 'log').read_text(errors='replace')[-3000:]}")
        time.sleep(0.01)


def _returned(place: Path) -> int:
    return int.from_bytes((place / "returned").read_bytes(), "little")


def row(name: str, counts: list[tuple[int, int]]) -> Row:
    # A call that was under way may have left its point: that is one more than have returned.
    lost = [max(0, returned - found) for returned, found in counts]
    return {
        "tracker": name,
        "kills": len(counts),
        "points whose call returned": sum(returned for returned, _ in counts),
        "lost": sum(lost),
        "lost %": 100 * sum(lost) / sum(returned for returned, _ in counts),
        "lost by each kill": ", ".join(map(str, lost)),
    }
