"""Draw the results: `python -m benchmarks.pictures` makes docs/bench-*.svg of benchmarks/results/*.json.

One style for all, on no ground and in greys that are read on white and on black: ours has the colour.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RESULTS = Path(__file__).parent / "results"
DOCS = Path(__file__).parents[1] / "docs"

OURS, OTHERS, TEXT, GRID = "#1f9e89", "#9aa0a6", "#80868b", "#80868b40"
WIDTH = 8.0
BAR = 0.34
"""Inches of one bar."""
LEAST = 0.1
"""On an axis that has no zero: what is less, or by chance below it, is drawn as this."""

Rows = list[dict[str, Any]]


def draw() -> list[Path]:
    """A picture of each result that there is."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update(
        {
            "svg.fonttype": "none",  # text stays text, in a font of the reader's
            "svg.hashsalt": "reticent",
            "font.family": "sans-serif",
            "font.size": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.edgecolor": TEXT,
            "axes.titlesize": 11,
            "axes.titlelocation": "left",
            "grid.color": GRID,
            **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color", "axes.titlecolor"), TEXT),
        }
    )
    drawn = []
    for name, picture in PICTURES.items():
        path = RESULTS / f"{name}.json"
        if path.exists():
            target = DOCS / f"bench-{name.replace('_', '-')}.svg"
            figure = picture(json.loads(path.read_text())["rows"])
            figure.savefig(target, transparent=True, bbox_inches="tight", metadata={"Date": None})
            drawn.append(target)
    return drawn


def log_call(rows: Rows) -> Figure:
    figure, (calls, busy) = _figure(len(rows), columns=2)
    rows = sorted(rows, key=lambda row: -_middle(row["p50 us"]))
    names = [row["tracker"] for row in rows]
    _bars(calls, names, [row["p50 us"] for row in rows], "us")
    calls.set_title("a call on the training thread, median, us")
    whole = [_middle(row["CPU us a point"]) + _middle(row["server's CPU us a point"]) for row in rows]
    _bars(busy, names, whole, "us")
    busy.set_title("CPU of a point, all threads and servers, us")
    busy.set_yticklabels([])
    return figure


def crash(rows: Rows) -> Figure:
    figure, (lost,) = _figure(len(rows))
    rows = sorted(rows, key=lambda row: (-row["lost %"], "reticent" in row["tracker"]))
    _bars(lost, [row["tracker"] for row in rows], [row["lost %"] for row in rows], "%", log=False)
    lost.set_title("points lost by kill -9 whose call had returned, %")
    return figure


def fits(rows: Rows) -> Figure:
    """Ours and MLflow's of each fit, with its model and without, small and large; the longest bar of MLflow first."""
    sizes: dict[str, list[str]] = {}
    added = {}
    for row in rows:
        of_fit = sizes.setdefault(row["fit"], [])
        of_fit += [row["size"]] if row["size"] not in of_fit else []
        added[row["fit"], of_fit.index(row["size"]), row["logger"]] = _middle(row["added ms"])
    names = sorted(sizes, key=lambda fit: added.get((fit, 0, "mlflow"), 0))
    loggers = ("mlflow", "mlflow, no model", "reticent")
    pairs = [(fit, logger) for fit in names for logger in loggers if (fit, 0, logger) in added]
    figure, axes = _figure(len(pairs), columns=2)
    for size, (axis, what) in enumerate(zip(axes, ("a small", "a large"), strict=True)):
        labels = [f"{fit}, {logger}" for fit, logger in pairs]
        _bars(axis, labels, [added[fit, size, logger] for fit, logger in pairs], "ms")
        axis.set_title(f"added to {what} fit, ms")
    axes[1].set_yticklabels([])
    return figure


def scaling(rows: Rows) -> Figure:
    figure, axes = _figure(9, columns=2)
    one_run = [row for row in rows if row["runs"] == 1]
    most = max(row["points"] for row in rows if row["runs"] > 1)
    of_runs = [row for row in rows if row["points"] == most]
    for axis, chosen, key, label in (
        (axes[0], one_run, "points", "points in one run"),
        (axes[1], of_runs, "runs", f"open runs, {most:,} points in all"),
    ):
        places = [row[key] for row in chosen]
        for measured, name, colour in (
            ("CPU us a point", "CPU of a point, all threads", OURS),
            ("call p50 us", "a call, median", OTHERS),
        ):
            _curve(axis, places, [row[measured] for row in chosen], name, colour)
        axis.set_xlabel(label)
        axis.set_title("us")
    _log_log(axes)
    axes[0].legend(frameon=False, labelcolor=TEXT)
    return figure


def queries(rows: Rows) -> Figure:
    names = [name for name in dict.fromkeys(row["query"] for row in rows) if "first" not in name]
    figure, axes = _figure(9, columns=len(names))
    for axis, name in zip(axes, names, strict=True):
        chosen = [row for row in rows if row["query"] == name]
        peers = [row for row in chosen if row["MLflow ms"] != ""]
        _curve(axis, [row["runs"] for row in peers], [row["MLflow ms"] for row in peers], "MLflow, SQLite", OTHERS)
        _curve(axis, [row["runs"] for row in chosen], [row["ms"] for row in chosen], "Reticent", OURS)
        axis.set_xlabel("runs")
        axis.set_title(f"{name}, ms")
    _log_log(axes)
    lines, labels = axes[0].get_legend_handles_labels()
    figure.legend(lines, labels, loc="outside upper left", ncols=2, frameon=False, labelcolor=TEXT)
    return figure


PICTURES: dict[str, Callable[[Rows], Figure]] = {
    "log_call": log_call,
    "crash": crash,
    "fits": fits,
    "scaling": scaling,
    "queries": queries,
}


def _figure(bars: int, columns: int = 1) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, 0.9 + BAR * bars), layout="constrained")
    return figure, [figure.add_subplot(1, columns, number + 1) for number in range(columns)]


def _middle(value: Any) -> float:
    return float(value["median"] if isinstance(value, dict) else value)


def _bars(axis: Axes, names: list[str], values: list[Any], unit: str, log: bool = True) -> None:
    middles = [_middle(value) for value in values]
    lengths = [max(LEAST, one) for one in middles] if log else middles
    colours = [OURS if "reticent" in name or name == "run.log_metric" else OTHERS for name in names]
    axis.barh(range(len(names)), lengths, color=colours, height=0.7)
    axis.set_yticks(range(len(names)), names)
    axis.tick_params(axis="y", length=0)
    if log:
        axis.set_xscale("log")
        axis.set_xlim(min(lengths) / 3, max(lengths) * 8)
        axis.xaxis.set_major_formatter(_number)
    else:
        axis.set_xlim(0, max(max(middles) * 1.15, 1))
    for place, (value, length) in enumerate(zip(middles, lengths, strict=True)):
        axis.annotate(
            f"{_short(value)} {unit}", (length, place), xytext=(4, 0), textcoords="offset points", va="center"
        )
    axis.grid(axis="x")
    axis.set_axisbelow(True)


def _curve(axis: Axes, places: list[float], values: list[Any], name: str, colour: str) -> None:
    """With the range of ten in a hundred to ninety, where there is one."""
    spreads = [value if isinstance(value, dict) else dict.fromkeys(("median", "p10", "p90"), value) for value in values]
    axis.plot(places, [one["median"] for one in spreads], "o-", color=colour, label=name, markersize=4)
    axis.fill_between(
        places, [one["p10"] for one in spreads], [one["p90"] for one in spreads], color=colour, alpha=0.25, lw=0
    )


def _log_log(axes: list[Axes]) -> None:
    """One scale for all, with numbers as people write them."""
    for axis in axes:
        axis.set_xscale("log")
        axis.set_yscale("log")
    lowest = min(axis.get_ylim()[0] for axis in axes)
    highest = max(axis.get_ylim()[1] for axis in axes)
    for axis in axes:
        axis.set_ylim(lowest, highest)
        axis.grid(which="major")
        for one in (axis.xaxis, axis.yaxis):
            one.set_major_formatter(_number)
            one.set_minor_formatter(lambda _value, _place: "")


def _number(value: float, _place: int | None) -> str:
    return f"{value / 1e6:g} million" if value >= 1e6 else f"{value:,.10g}"


def _short(value: float) -> str:
    """Two digits that say something."""
    if value == 0:
        return "0"
    digits = max(0, 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"


if __name__ == "__main__":
    for path in draw():
        print(path.relative_to(DOCS.parent))
