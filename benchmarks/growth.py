"""How does what autologging adds to a fit grow with rows, features, trees, epochs and steps, each by itself?

Fits of `benchmarks.fits`, bare and autologged in turns in one process for each framework. In three sizes only one number
grows, tenfold each time; all others stay.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from benchmarks.asked import asked
from benchmarks.fits import Pair, settings
from benchmarks.turns import Row, rounds, say, spread

SMALL: dict[str, dict[str, Any]] = {
    "sklearn": {"rows": 1_000, "columns": 10},
    "xgboost": {"rounds": 10, "rows": 1_000, "columns": 10},
    "statsmodels": {"rows": 1_000, "columns": 2},
    "keras": {"epochs": 1, "rows": 128, "width": 16},
    "torch": {"steps": 50, "width": 32},
}
GROWS = {
    "sklearn": ("rows", "columns"),
    "xgboost": ("rows", "columns", "rounds"),
    "statsmodels": ("rows", "columns"),
    "keras": ("rows", "epochs"),
    "torch": ("steps",),
}
TENFOLD = (1, 10, 100)
PAIRS = 3


def measure() -> list[Row]:
    return [row for framework in GROWS if find_spec(framework) for row in _of_framework(framework)]


def _of_framework(framework: str) -> list[Row]:
    module, rows = import_module(f"benchmarks.fits.{framework}"), []
    with asked("benchmarks.fits.child", framework, "reticent", settings=settings) as child:
        child(SMALL[framework], 1, {})  # the first fit of all, which imports a part of Reticent
        for name in GROWS[framework]:
            for times in TENFOLD:
                size = {**SMALL[framework], name: SMALL[framework][name] * times}
                say(f"{framework}, {size[name]} {name}")
                pairs = [Pair(*pair) for pair in child(size, rounds(PAIRS), {})]
                rows.append(_row((module.__doc__ or "").strip(), name, size, pairs))
    return rows


def _row(fit: str, name: str, size: dict[str, int], pairs: list[Pair]) -> Row:
    return {
        "fit": fit,
        "grows": name,
        "of them": size[name],
        "others": ", ".join(f"{value:,} {other}" for other, value in size.items() if other != name),
        "fits": len(pairs),
        "bare ms": spread(one.bare for one in pairs),
        "added ms": spread(one.logged - one.bare for one in pairs),
        "added CPU ms": spread(one.logged_cpu - one.bare_cpu for one in pairs),
    }
