"""A process with one tracker: `python -m benchmarks.tracker_child log|train|read NAME PLACE [...]`.

`log` times calls one by one and prints what they cost as JSON; `train` logs until it is killed and keeps count in a file;
`read` prints how many points the tracker's own reader finds.
"""

from __future__ import annotations

import json
import mmap
import os
import sys
import time
from array import array
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import psutil

from benchmarks import processor
from benchmarks.trackers import TRACKERS

clock = time.perf_counter_ns


def log(name: str, place: Path, calls: int) -> dict[str, object]:
    tracker, memory = TRACKERS[name], _memory()
    call, close = tracker.open(place)
    times, empty = array("q", bytes(8 * calls)), array("q", bytes(8 * calls))
    before = processor.of_this_tree()
    _timed(lambda *_: None, empty)
    _memory()  # to ask for it takes milliseconds, which would count in the points of those that log few
    bare = processor.of_this_tree() - before
    before = processor.of_this_tree()
    _timed(call, times)
    returned, grown = time.monotonic(), _memory() - memory
    close()
    busy = processor.of_this_tree() - before - bare
    times = array("q", sorted(times))
    return {
        "p50 us": times[calls // 2] / 1e3,
        "p99 us": times[int(calls * 0.99)] / 1e3,
        "max us": times[-1] / 1e3,
        "CPU us": max(0.0, busy) / calls * 1e6,
        "memory MB": grown / 1e6,
        "returned": returned,
        "version": metadata.version(tracker.package),
    }


def _timed(call: Callable[[str, float, int], object], times: array[int]) -> None:
    for step in range(len(times)):
        start = clock()
        call("loss", 0.5, step)
        times[step] = clock() - start


def _memory() -> int:
    """Resident memory of this process and its children."""
    return sum(one.memory_info().rss for one in (psutil.Process(), *psutil.Process().children(recursive=True)))


def train(name: str, place: Path, pause_s: float) -> None:
    """Each call that has returned is counted in PLACE/returned, which `kill -9` does not touch."""
    call, _ = TRACKERS[name].open(place)
    with (place / "returned").open("r+b") as file:
        returned = mmap.mmap(file.fileno(), 8)
    step = 0
    while True:
        call("loss", 0.5, step)
        step += 1
        returned[:] = step.to_bytes(8, "little")
        time.sleep(pause_s)


def main(task: str, name: str, place: str, *more: str) -> None:
    if task == "train":
        train(name, Path(place), float(more[0]))
    told = log(name, Path(place), int(more[0])) if task == "log" else TRACKERS[name].found(Path(place))
    print("\n" + json.dumps(told), flush=True)


if __name__ == "__main__":
    os.environ.setdefault("RETICENT_CAPTURE", json.dumps({"git": False, "system_s": 0}))
    main(*sys.argv[1:])
