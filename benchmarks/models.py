"""How long does training wait for `log_model`, how much memory does it take, and how long does loading take? Beside MLflow.

A small and a large model of each flavour, by each tracker in a process of its own; the two take turns. What is done in the
background is waited for before the model is loaded, by its URI and in its own flavour, three times, of which the median
counts. Memory is the peak of the process until then over what it had before. In a turn Reticent logs each model several
times and MLflow once, as its calls take seconds, and of one model are all alike within a tenth: so there is one turn, and a
ratio is that of its medians. MLflow logs to SQLite and a directory.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec
from statistics import median
from typing import Any

from benchmarks.asked import asked
from benchmarks.fits import SETTINGS
from benchmarks.models_child import FLAVOURS, LARGE, SMALL
from benchmarks.turns import Row, in_turns, ratio, rounds, say, spread

OURS = (5, 3)
"""How often Reticent logs in a turn, small models and large ones; MLflow does once."""

Turn = list[dict[str, float]]


def measure() -> list[Row]:
    return [row for flavour in FLAVOURS if find_spec(flavour) for row in of_flavour(flavour)]


def of_flavour(flavour: str) -> list[Row]:
    names = ["reticent", *(["mlflow"] if find_spec("mlflow") else [])]
    _, *sizes = FLAVOURS[flavour]
    rows = []
    with ExitStack() as stack:
        started = {
            name: stack.enter_context(asked("benchmarks.models_child", flavour, name, settings=SETTINGS[name]))
            for name in names
        }
        for size, what, ours in zip((SMALL, LARGE), sizes, OURS, strict=True):
            say(f"{flavour}, {what}")
            tasks: dict[str, Callable[[], Turn]] = {
                name: partial(child, size, ours if name == "reticent" else 1) for name, child in started.items()
            }
            told = in_turns(tasks, rounds(1))
            rows.append({"flavour": flavour, "model": what} | _row(told["reticent"], told.get("mlflow")))
    return rows


def _row(ours: list[Turn], theirs: list[Turn] | None) -> Row:
    def of(turns: list[Turn] | None, key: str) -> Any:
        return spread(one[key] for turn in turns for one in turn) if turns else ""

    def times(key: str) -> Any:
        return ratio(_medians(theirs, key), _medians(ours, key)) if theirs else ""

    return {
        "log_model ms": of(ours, "save ms"),
        "memory MB": of(ours, "memory MB"),
        "load_model ms": of(ours, "load ms"),
        "MLflow's log_model ms": of(theirs, "save ms"),
        "times ours": times("save ms"),
        "its memory MB": of(theirs, "memory MB"),
        "its load_model ms": of(theirs, "load ms"),
        "load, times ours": times("load ms"),
    }


def _medians(turns: list[Turn], key: str) -> list[float]:
    return [median(one[key] for one in turn) for turn in turns]
