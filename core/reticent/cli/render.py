"""How things look: consoles, colours, times, sizes, numbers, sparklines. What a run holds is always shown literally."""

from __future__ import annotations

import math
import os
import re
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any, Literal

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from reticent.records import RunStatus

PIPED_WIDTH = 2000
"""A file or a pipe has no edge, unless COLUMNS says so."""
CELL, LAST_CELL = 80, 200
"""The most characters of a cell in what is piped, and of one that nothing follows."""

NOTHING: tuple[object, ...] = (None, "", [], {}, ())
"""Values of settings that say nothing."""

REDACTED = "magenta"
DIM = "bright_black"
GOOD, FAIR, BAD = "green", "yellow", "red"
HEAD = "bold"

_STATUS = {
    RunStatus.RUNNING: ("◐", "cyan"),
    RunStatus.FINISHED: ("✓", GOOD),
    RunStatus.FAILED: ("✗", BAD),
    RunStatus.KILLED: ("■", FAIR),
    RunStatus.CRASHED: ("✗", BAD),
}
_MARKER = re.compile(r"\[REDACTED:[^\]]*\]")
# Control characters could drive the reader's terminal, and bidirectional ones make text read as what it is not.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_NOT_FINITE = "×"  # noqa: RUF001 - the sign of multiplication is meant
_BARS = "▁▂▃▄▅▆▇█"

_HIGHER = re.compile(
    r"acc|accuracy|auc|aucpr|auroc|auprc|bleu|dice|f1|iou|kappa|map|mcc|ndcg|precision|r2|recall|rouge|rsquared|score"
)
_LOWER = re.compile(r"aic|bic|cer|err|error|m?logloss|loss|mae|mape|merror|mse|perplexity|ppl|rmse|rmsle|wer")
_NEITHER = re.compile(r"time|std|rank|count|iteration|epoch|step|lr")


class Cutting(Console):
    """A console whose tables are cut rather than folded: a line for each row, which a program may take apart."""


def console(stderr: bool = False, kind: type[Console] = Console) -> Console:
    """A console that takes no text for markup, as wide as the terminal or COLUMNS, or without an edge where there is
    neither."""
    stream = sys.stderr if stderr else sys.stdout
    edge = stream.isatty() or os.environ.get("COLUMNS", "").strip("0").isdecimal()
    return kind(stderr=stderr, width=None if edge else PIPED_WIDTH, highlight=False, markup=False, emoji=False)


def of_a_run(everything: bool) -> Console:
    """The console for what runs hold, of which nothing is left out or cut with `everything`, where it is piped."""
    return console(kind=Console if everything or sys.stdout.isatty() else Cutting)


def on_terminal(out: Console) -> bool:
    """Whether a person is looking, for whom brevity counts; what is piped is complete."""
    return out.file.isatty()


def complain(message: str) -> None:
    """Print what is wrong, without the secrets that somebody may have given a command."""
    from reticent.backends.credentials import knowing  # not before there is something to complain about

    first, *more = knowing().redact_text(message).rstrip("\n").split("\n")
    out = console(stderr=True)
    out.print(Text.assemble(("reticent: ", BAD), literal(first)), soft_wrap=True)
    for line in more:
        out.print(literal(line), soft_wrap=True)


def literal(value: object, style: str = "", limit: int | None = None) -> Text:
    """Any text as it is: no markup, control characters made visible, redaction markers in a colour of their own."""
    shown = Text(_CONTROL.sub(_visible, str(value)), style=style)
    shown.highlight_regex(_MARKER, REDACTED)
    if limit is not None:
        shown.truncate(limit, overflow="ellipsis")
    return shown


def _visible(match: re.Match[str]) -> str:
    character = match.group()
    return {"\n": "⏎", "\t": " "}.get(character) or ascii(character)[1:-1]


def hides(value: object) -> bool:
    """Whether something in this value was redacted."""
    return _MARKER.search(str(value)) is not None


def lines(text: str, style: str = "") -> Group:
    """Text of several lines, each shown literally."""
    return Group(*[literal(line.expandtabs(4), style) for line in text.rstrip("\n").split("\n")])


def status(value: RunStatus) -> Text:
    glyph, colour = _STATUS[RunStatus(value)]
    return Text(f"{glyph} {RunStatus(value).value.lower()}", style=colour)


def check(state: Literal["good", "fair", "bad", "none"]) -> Text:
    glyph, colour = {"good": ("✓", GOOD), "fair": ("▲", FAIR), "bad": ("✗", BAD), "none": ("·", DIM)}[state]
    return Text(glyph, style=colour)


def table(*headings: str, right: Sequence[int] = (), firm: Sequence[int] = ()) -> Table:
    """A table without lines, its headings quiet; columns `right` hold numbers, and these and `firm` ones never fold."""
    made = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=any(headings), header_style=DIM)
    for index, heading in enumerate(headings):
        justify: Literal["left", "right"] = "right" if index in right else "left"
        made.add_column(Text(heading), justify=justify, overflow="fold", no_wrap=index in (*right, *firm))
    return made


class Block:
    """A renderable moved to the right, its lines without blanks at their ends, which a pipe would carry along."""

    def __init__(self, body: RenderableType, indent: int = 0) -> None:
        self._body = body
        self._indent = indent

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        inner = options.update(width=options.max_width - self._indent)
        if isinstance(console, Cutting):
            _cut(self._body)
        for line in console.render_lines(self._body, inner, pad=False):
            while line and not line[-1].text.strip():
                line.pop()
            if line:
                text, style, control = line.pop()
                yield Segment(" " * self._indent)
                yield from line
                yield Segment(text.rstrip(), style, control)
            yield Segment.line()


def _cut(body: RenderableType) -> None:
    for part in body.renderables if isinstance(body, Group) else [body]:
        if isinstance(part, Table):
            for column in part.columns:
                column.no_wrap, column.overflow = True, "ellipsis"
                column.max_width = LAST_CELL if column is part.columns[-1] else CELL


def section(out: Console, title: str, body: RenderableType, note: str = "") -> None:
    heading = Text.assemble((title, HEAD), ("  ", ""), (note, DIM))
    heading.rstrip()
    out.print()
    out.print(heading)
    out.print(Block(body, 2))


def short(run_id: str) -> str:
    return run_id[:8]


def ago(then: float | None, now: float | None = None) -> str:
    if then is None:
        return ""
    seconds = (time.time() if now is None else now) - then
    if -60 < seconds < 5:
        return "just now"
    for size, limit, unit in ((1, 60, "s"), (60, 60, "min"), (3600, 24, "h"), (86400, 31, "d")):
        if 0 < seconds < size * limit:
            return f"{int(seconds / size)} {unit} ago"
    return time.strftime("%Y-%m-%d", time.localtime(then))


def clock(then: float | None) -> str:
    return "" if then is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(then))


def iso(then: float | None) -> str | None:
    return None if then is None else datetime.fromtimestamp(then, timezone.utc).isoformat()


def duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{max(1, round(seconds * 1000))} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def number(value: float | None) -> str:
    if value is None or math.isnan(value):
        return "nan"
    if math.isfinite(value) and value == int(value) and abs(value) < 1e9:
        return str(int(value))
    return f"{value:.4g}"


def plural(count: int, noun: str, nouns: str | None = None) -> str:
    return f"{count:,} {noun if count == 1 else nouns or noun + 's'}"


def setting(value: object) -> str:
    """A setting's value, as a person would say it."""
    if value in NOTHING:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return "; ".join(f"{key} = {setting(item)}" for key, item in value.items())
    return str(value)


def sparkline(values: Sequence[float]) -> str:
    """A curve in one line, a character for each value; × for one that is not finite."""
    known = [value for value in values if math.isfinite(value)]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    span = high / 2 - low / 2  # halves: the difference of two huge values may be no float
    return "".join(
        _bar((value / 2 - low / 2) / span if span > 0 else 0.0) if math.isfinite(value) else _NOT_FINITE
        for value in values
    )


def _bar(share: float) -> str:
    return _BARS[min(len(_BARS) - 1, int(share * len(_BARS)))]


def direction(metric: str) -> Literal["higher", "lower"] | None:
    """Which values of a metric are better, if its name says so."""
    words = re.split(r"[^a-z0-9]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", metric).lower())
    if any(map(_NEITHER.fullmatch, words)):
        return None
    higher, lower = any(map(_HIGHER.fullmatch, words)), any(map(_LOWER.fullmatch, words))
    if higher == lower:
        return None
    return "higher" if higher or "neg" in words else "lower"  # neg: scikit-learn's negated losses


def dump(value: Any) -> None:
    """Print JSON to stdout, without colours or wrapping. NaN and infinities, which JSON has not, as text."""
    import json

    import msgspec

    ascii_only = not (sys.stdout.encoding or "").lower().startswith("utf")
    try:
        text = json.dumps(value, ensure_ascii=ascii_only, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(value), ensure_ascii=ascii_only)
    # The encoder of json takes several times as long when it indents. A name of a file may have what is no Unicode.
    sys.stdout.write(msgspec.json.format(text.encode("utf-8", "replace"), indent=2).decode() + "\n")


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value
