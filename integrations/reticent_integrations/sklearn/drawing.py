"""Pictures of what `curves` has computed, drawn with matplotlib's objects: no pyplot, no state that is the user's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#1f2933"
FAINT = "#9aa5b1"
COLORS = ("#2563eb", "#d97706", "#059669", "#dc2626", "#7c3aed", "#0891b2", "#be185d", "#65a30d", "#78350f", "#475569")
MOST_CELLS_WITH_TEXT = 20
MOST_TICKS = 40
MOST_LETTERS = 14


def confusion(data: dict[str, Any]) -> Figure:
    """Cells are colored by their share of the row, and say how many rows of the data they are."""
    import numpy as np

    cells, labels = np.asarray(data["matrix"], dtype=float), data["labels"]
    count = len(labels)
    totals = cells.sum(axis=1, keepdims=True)
    shares = np.divide(cells, totals, out=np.zeros_like(cells), where=totals > 0)
    step = max(1, -(-count // MOST_TICKS))
    shown = [_short(label) for label in labels[::step]]
    letters = max(map(len, shown))
    turned = count > 4 and letters > 3
    side = min(10.0, max(3.6, 0.55 * count))
    left, below = 0.7 + 0.085 * letters, 0.75 + (0.06 * letters if turned else 0)
    figure, axes = _canvas(side, side, left, below, f"Confusion matrix of the {_data(data)}")
    axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    axes.set_xticks(range(0, count, step), shown, rotation=45 if turned else 0, ha="right" if turned else "center")
    axes.set_yticks(range(0, count, step), shown)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.tick_params(length=0)
    axes.set_title("color: share of the true class", fontsize=8, color="#52606d", loc="right", pad=4)
    if count <= MOST_CELLS_WITH_TEXT:
        size = 13 if count <= 3 else 10 if count <= 8 else 8
        for row in range(count):
            for column in range(count):
                color = "white" if shares[row, column] > 0.5 else INK if cells[row, column] else FAINT
                text = _amount(cells[row, column])
                axes.text(column, row, text, ha="center", va="center", color=color, fontsize=size)
    return figure


def roc(data: dict[str, Any]) -> Figure:
    figure, axes = _canvas(4.4, 4.4, 0.75, 0.7, f"ROC curve of the {_data(data)}")
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle=(0, (4, 4)), zorder=1)
    for number, curve in enumerate(data["curves"]):
        axes.plot(
            curve["false_positive_rate"],
            curve["true_positive_rate"],
            color=COLORS[number % len(COLORS)],
            linewidth=1.8,
            label=f"{_short(curve['label'])}  (AUC {curve['auc']:.3f})",
        )
    axes.set_xlabel("false positive rate")
    axes.set_ylabel("true positive rate")
    _square(axes, "lower right")
    return figure


def precision_recall(data: dict[str, Any]) -> Figure:
    figure, axes = _canvas(4.4, 4.4, 0.75, 0.7, f"Precision and recall on the {_data(data)}")
    for number, curve in enumerate(data["curves"]):
        color = COLORS[number % len(COLORS)]
        axes.plot(
            [0.0, *curve["recall"]],
            [curve["precision"][0], *curve["precision"]],
            color=color,
            linewidth=1.8,
            drawstyle="steps-pre",
            label=f"{_short(curve['label'])}  (AP {curve['average_precision']:.3f})",
        )
        if len(data["curves"]) == 1:  # what guessing would reach
            axes.axhline(curve["share_of_positives"], color=FAINT, linewidth=1, linestyle=(0, (4, 4)), zorder=1)
    axes.set_xlabel("recall")
    axes.set_ylabel("precision")
    _square(axes, "lower left")
    return figure


def _canvas(width: float, height: float, left: float, below: float, title: str) -> tuple[Figure, Axes]:
    """A figure with room for a plot of this size, in inches, and for what is left of it and below it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    above, right = 0.75, 0.3
    whole = left + width + right, below + height + above
    figure = Figure(figsize=whole, dpi=110, facecolor="white")
    FigureCanvasAgg(figure)
    # Placed by hand: a layout engine draws everything twice.
    axes = figure.add_axes((left / whole[0], below / whole[1], width / whole[0], height / whole[1]))
    axes.set_facecolor("white")
    figure.text(left / whole[0], 1 - 0.3 / whole[1], title, fontsize=12, color=INK, va="center")
    axes.xaxis.label.set(color=INK, fontsize=10)
    axes.yaxis.label.set(color=INK, fontsize=10)
    axes.tick_params(colors=INK, labelsize=9)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure, axes


def _square(axes: Axes, legend: Literal["lower left", "lower right"]) -> None:
    """Both axes from 0 to 1, with a light grid."""
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.02)
    axes.set_aspect("equal")
    axes.grid(color="#e4e7eb", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    axes.legend(loc=legend, fontsize=9, frameon=True, framealpha=0.9, edgecolor="#e4e7eb", labelcolor=INK)


def _data(data: dict[str, Any]) -> str:
    """What data is shown: that of the training, unless it says so."""
    return f"{_short(data.get('data', 'training'))} data"


def _short(label: str) -> str:
    return label if len(label) <= MOST_LETTERS else label[: MOST_LETTERS - 1] + "…"


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:.3g}"
