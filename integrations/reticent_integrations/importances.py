"""Feature importances: all of them as JSON, the largest as a bar chart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reticent.patching import Capture

MAX_BARS = 20
"""Features in a chart; all are in the JSON file beside it."""


def log(capture: Capture, scores: Mapping[str, Mapping[str, Any]]) -> None:
    """Log importances by type (`gain`, `weight`...) and by feature, as `feature_importance_<type>.json` and `.png`."""
    for kind, by_feature in scores.items():
        capture.log_dict(dict(by_feature), f"feature_importance_{kind}.json")
    for kind, by_feature in scores.items():
        numbers = {name: score for name, score in by_feature.items() if isinstance(score, (int, float))}
        if numbers:  # a linear model of several classes has a list of weights for each feature
            largest = sorted(numbers.items(), key=lambda item: abs(item[1]))[-MAX_BARS:]
            data = {
                "kind": kind,
                "features": len(numbers),
                "bars": [{"name": name, "score": value} for name, value in largest],
            }
            capture.log_picture(chart, data, f"feature_importance_{kind}.png")


def chart(data: dict[str, Any]) -> Any:
    """Bars with their numbers, placed by hand: axes, ticks and automatic layout take three times as long to draw."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure  # never pyplot: its figures and its state are the user's

    labels = [_label(bar["name"]) for bar in data["bars"]]
    values = [float(bar["score"]) for bar in data["bars"]]
    count = len(values)
    width, height = 7.0, 0.7 + 0.25 * count
    figure = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(figure)
    left = (0.25 + 0.085 * max(map(len, labels))) / width
    axes = figure.add_axes((left, 0.15 / height, 0.9 - left, 1 - 0.6 / height))
    axes.set_axis_off()
    axes.barh(range(count), values, color="#4477aa", height=0.7)
    low, high = min(0.0, *values), max(0.0, *values)
    axes.set_xlim(low, high if high > low else 1.0)
    axes.set_ylim(-0.6, count - 0.4)
    look: dict[str, Any] = {"color": "#222222", "fontfamily": "DejaVu Sans"}
    beside: dict[str, Any] = {"textcoords": "offset points", "va": "center", **look}
    for row, (label, value) in enumerate(zip(labels, values, strict=True)):
        axes.annotate(label, (low, row), (-5, 0), ha="right", fontsize=10, parse_math=False, **beside)
        axes.annotate(f"{value:.4g}", (max(value, 0.0), row), (4, 0), ha="left", fontsize=8, **beside)
    more = f", largest {count} of {data['features']}" if data["features"] > count else ""
    title = f"Feature importance by {data['kind']}{more}"
    figure.text(0.1 / width, 1 - 0.12 / height, title, va="top", fontsize=11, **look)
    return figure


def _label(name: str) -> str:
    """A feature's name in letters that the font has."""
    label = "".join(letter if letter < "\u0530" else "?" for letter in name)
    return label if len(label) <= 40 else f"{label[:39]}…"
