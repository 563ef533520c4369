"""Feature importances: as JSON while the model is at hand, as bar charts in the background."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any, TypeAlias

from reticent.run import Run
from reticent.session import current

MAX_BARS = 20
"""Features in a chart; all are in the JSON file beside it."""

Scores: TypeAlias = dict[str, dict[str, Any]]
"""By type of importance, by feature."""


def log(run: Run, prefix: str, booster: Any, kinds: tuple[str, ...]) -> Scores:
    scores = dict(_scores(booster, kinds))
    for kind, by_feature in scores.items():
        run.log_dict(by_feature, f"{prefix}feature_importance_{kind}.json")
    return scores


def _scores(booster: Any, kinds: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    from xgboost.core import XGBoostError

    for kind in kinds:
        try:
            scores = booster.get_score(importance_type=kind)
        except XGBoostError:
            continue  # linear models have no more than weights
        if scores:
            yield kind, scores


def draw(run: Run, prefix: str, scores: Scores) -> None:
    if find_spec("matplotlib") is None:
        return  # the same numbers are in the JSON files
    for kind, by_feature in scores.items():
        numbers = {name: score for name, score in by_feature.items() if isinstance(score, (int, float))}
        if numbers:  # a linear model of several classes has a list of weights for each feature
            run.log_figure(_chart(kind, numbers), f"{prefix}feature_importance_{kind}.png")


def _chart(kind: str, scores: Mapping[str, float]) -> Any:
    """Bars with their numbers, placed by hand: axes, ticks and automatic layout take three times as long to draw."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure  # never pyplot: its figures and its state are the user's

    top = sorted(scores.items(), key=lambda item: abs(item[1]))[-MAX_BARS:]
    labels = [_label(name) for name, _ in top]
    values = [score for _, score in top]
    width, height = 7.0, 0.7 + 0.25 * len(top)
    figure = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(figure)
    left = (0.25 + 0.085 * max(map(len, labels))) / width
    axes = figure.add_axes((left, 0.15 / height, 0.9 - left, 1 - 0.6 / height))
    axes.set_axis_off()
    axes.barh(range(len(top)), values, color="#4477aa", height=0.7)
    low, high = min(0.0, *values), max(0.0, *values)
    axes.set_xlim(low, high if high > low else 1.0)
    axes.set_ylim(-0.6, len(top) - 0.4)
    look: dict[str, Any] = {"color": "#222222", "fontfamily": "DejaVu Sans"}
    beside: dict[str, Any] = {"textcoords": "offset points", "va": "center", **look}
    for row, (label, value) in enumerate(zip(labels, values, strict=True)):
        axes.annotate(label, (low, row), (-5, 0), ha="right", fontsize=10, parse_math=False, **beside)
        axes.annotate(f"{value:.4g}", (max(value, 0.0), row), (4, 0), ha="left", fontsize=8, **beside)
    title = f"Feature importance by {kind}" + (
        f", largest {len(top)} of {len(scores)}" if len(scores) > len(top) else ""
    )
    figure.text(0.1 / width, 1 - 0.12 / height, title, va="top", fontsize=11, **look)
    return figure


def _label(name: str) -> str:
    """A feature's name as it may be drawn: sealed, as no scan finds text in a picture, in letters that the font has."""
    sealed = "".join(letter if letter < "\u0530" else "?" for letter in current().seal("artifact", name))
    return sealed if len(sealed) <= 40 else f"{sealed[:39]}…"
