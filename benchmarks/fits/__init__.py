"""What does autologging add to a fit on the training thread, from the second fit on, and how does that grow?

Each framework with something small and with something large: more rows and columns, rounds of boosting, epochs, steps
and weights. Bare and autologged fits of the same data in one process, one after the other; metrics, curves, data sets
and saved model included. What is done in the background (pictures, sealing) is waited for between the fits, so that it
burdens none of them; in the processor's time, of all threads and child processes, it is included. One thread each for
BLAS and OpenMP: with more, the times of the bare fits vary by more than what is added.

MLflow's autologging is measured the same way in a process of its own, as it patches the same functions, with a local
SQLite database: with its defaults, and without the model, whose requirements take it most of its time. They take turns,
one each, if `BENCH_RUNS` does not say otherwise; Reticent's has more pairs of fits in it than MLflow's, whose take
seconds. How many times ours MLflow adds is told of the medians of each turn, where ours is taken as 0.1 ms at least. A
framework that is not installed is left out, and MLflow where it is not, or has no integration.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.asked import Asked, asked
from benchmarks.environments import environment, with_mlflow_tables
from benchmarks.turns import Row, in_turns, ratio, rounds, say, spread

FRAMEWORKS = (
    "sklearn",
    "xgboost",
    "lightgbm",
    "catboost",
    "statsmodels",
    "keras",
    "lightning",
    "transformers",
    "torch",
)
OURS = (8, 3)
"""Reticent's pairs of fits in a turn, small ones and large ones; MLflow has one."""
LEAST_MS = 0.1
LOGGED: dict[str, tuple[str, dict[str, object]]] = {
    "reticent": ("reticent", {}),
    "mlflow": ("mlflow", {}),
    "mlflow, no model": ("mlflow", {"log_models": False}),
}
"""By which process, and with which options of its autologging."""


class Pair(NamedTuple):
    """Milliseconds of a bare fit, and of one that was logged: on the training thread, and of the processor."""

    bare: float
    logged: float
    bare_cpu: float
    logged_cpu: float


def measure() -> list[Row]:
    return [row for framework in FRAMEWORKS if find_spec(framework) for row in of_framework(framework)]


def settings(place: Path) -> dict[str, str]:
    """Of a process that trains on the processor, each library with one thread, and says little."""
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "TOKENIZERS_PARALLELISM": "false", "CUDA_VISIBLE_DEVICES": ""}
    return environment(quiet | {"TF_NUM_INTRAOP_THREADS": "1", "RETICENT_DIR": f"{place}/root"})


def _with_mlflow(place: Path) -> dict[str, str]:
    with_mlflow_tables(place)
    return settings(place)


SETTINGS = {"reticent": settings, "mlflow": _with_mlflow}


def of_framework(framework: str) -> list[Row]:
    say(framework)
    module = import_module(f"benchmarks.fits.{framework}")
    rows: list[Row] = []
    names = ["reticent", *(["mlflow"] if module.MLFLOW and find_spec("mlflow") else [])]
    with ExitStack() as stack:
        started = {
            name: stack.enter_context(asked("benchmarks.fits.child", framework, name, settings=SETTINGS[name]))
            for name in names
        }
        smallest = next(iter(module.SIZES))
        first = {name: pair for name, child in started.items() if (pair := _first(child, module.SIZES[smallest], name))}
        for (size, numbers), ours in zip(module.SIZES.items(), OURS, strict=True):
            say(f"{framework}, {size}")
            tasks = {
                name: partial(started[process], numbers, ours if process == "reticent" else 1, options)
                for name, (process, options) in LOGGED.items()
                if process in first
            }
            told = in_turns(tasks, rounds(1))
            turns = {name: [[Pair(*pair) for pair in turn] for turn in every] for name, every in told.items()}
            for name, pairs in turns.items():
                row: Row = {"fit": (module.__doc__ or "").strip(), "size": size, "logger": name}
                row |= told_of(pairs, turns["reticent"])
                row["added to the first fit ms"] = (
                    first[name].logged - first[name].bare if name in first and size == smallest else ""
                )
                rows.append(row)
    return rows


def _first(child: Asked, size: Mapping[str, int], name: str) -> Pair | None:
    """The first pair of fits; none if the other logger fails here, as it may without TensorBoard."""
    try:
        return Pair(*child(size, 1, {})[0])
    except RuntimeError as error:
        if name == "reticent":
            raise
        print(f"left out: {name}: {str(error).strip().splitlines()[-1]}", file=sys.stderr)
        return None


def told_of(turns: list[list[Pair]], ours: list[list[Pair]]) -> Row:
    pairs = [pair for turn in turns for pair in turn]
    return {
        "fits": len(pairs),
        "bare ms": spread(one.bare for one in pairs),
        "autologged ms": spread(one.logged for one in pairs),
        "times bare": spread(one.logged / one.bare for one in pairs),
        "added ms": spread(one.logged - one.bare for one in pairs),
        "bare CPU ms": spread(one.bare_cpu for one in pairs),
        "added CPU ms": spread(one.logged_cpu - one.bare_cpu for one in pairs),
        "added, times ours": ratio(_added(turns), [max(LEAST_MS, one) for one in _added(ours)]),
    }


def _added(turns: list[list[Pair]]) -> list[float]:
    return [median(one.logged - one.bare for one in turn) for turn in turns]
