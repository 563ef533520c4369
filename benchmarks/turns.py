"""Measuring in turns, so that what else the machine does falls on all alike, and what is told of such samples."""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")
Row = dict[str, object]
Spread = dict[str, float]


def rounds(few: int) -> int:
    """So few, or as many as BENCH_RUNS says: all modules together take less than half an hour without it."""
    return int(os.environ.get("BENCH_RUNS", few))


def in_turns(tasks: Mapping[str, Callable[[], T]], times: int) -> dict[str, list[T]]:
    """What each task gave, round by round: in every round each has its turn."""
    given: dict[str, list[T]] = {name: [] for name in tasks}
    for number in range(1, times + 1):
        for name, task in tasks.items():
            say(f"{name}, {number} of {times}")
            given[name].append(task())
    return given


def spread(samples: Iterable[float]) -> Spread:
    """The median of samples, and what a tenth of them is below and above."""
    values = sorted(samples)
    tenths = statistics.quantiles(values, n=10, method="inclusive") if len(values) > 1 else values * 9
    return {"median": statistics.median(values), "p10": tenths[0], "p90": tenths[-1]}


def ratio(theirs: Iterable[float], ours: Iterable[float]) -> Spread:
    """How many times ours each of theirs is, of the same round."""
    return spread(one / other for one, other in zip(theirs, ours, strict=True))


def say(what: str) -> None:
    """What is being measured: on a terminal one line that changes, else a line each."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{what}...", end="", file=sys.stderr, flush=True)
    else:
        print(f"{what}...", file=sys.stderr, flush=True)


def say_no_more() -> None:
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
