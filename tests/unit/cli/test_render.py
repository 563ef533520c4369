"""Numbers, times, curves and literal text as the terminal shows them."""

from __future__ import annotations

import math

import pytest

from reticent.cli import render


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"),
        (-0.0, "0"),
        (0.97368, "0.9737"),
        (1234567.0, "1234567"),
        (1e12, "1e+12"),
        (1e-7, "1e-07"),
        (math.nan, "nan"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (None, "nan"),
    ],
)
def test_numbers(value: float | None, text: str) -> None:
    assert render.number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "1 ms"), (0.25, "250 ms"), (2.13, "2.1 s"), (125, "2 min 5 s"), (7260, "2 h 1 min"), (200000, "2 d 7 h")],
)
def test_durations(seconds: float, text: str) -> None:
    assert render.duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1, "just now"), (40, "40 s ago"), (90, "1 min ago"), (7200, "2 h ago"), (3 * 86400, "3 d ago")],
)
def test_times_ago(seconds: float, text: str) -> None:
    assert render.ago(1e9 - seconds, now=1e9) == text


def test_sizes() -> None:
    assert [render.size(count) for count in (0, 999, 1000, 45_100, 5e9)] == ["0 B", "999 B", "1 kB", "45.1 kB", "5 GB"]


def test_curves() -> None:
    assert render.sparkline([]) == ""
    assert render.sparkline([1.0]) == "▁"
    assert render.sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert render.sparkline([1.0, -math.inf, math.nan, math.inf, 2.0]) == "▁\u00d7\u00d7\u00d7█"
    assert render.sparkline([-1e308, 1e308]) == "▁█"
    assert render.sparkline([math.nan]) == "\u00d7"


@pytest.mark.parametrize(
    ("metric", "better"),
    [
        ("val_loss", "lower"),
        ("valid-logloss", "lower"),
        ("validation_0-rmse", "lower"),
        ("training_log_loss", "lower"),
        ("valError", "lower"),
        ("accuracy", "higher"),
        ("training_f1_score", "higher"),
        ("roc_auc", "higher"),
        ("r2", "higher"),
        ("neg_mean_squared_error", "higher"),
        ("mean_fit_time", None),
        ("std_test_score", None),
        ("rank_test_score", None),
        ("speed", None),
        ("error_score", None),
        ("", None),
    ],
)
def test_directions(metric: str, better: str | None) -> None:
    assert render.direction(metric) == better


def test_text_is_literal_and_cannot_drive_the_terminal() -> None:
    assert render.literal("[red]x[/] \x1b[31m \u202e \x07 a\nb").plain == "[red]x[/] \\x1b[31m \\u202e \\x07 a⏎b"
    assert render.literal("abcdef", limit=4).plain == "abc…"


def test_json_has_what_json_has_not_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"a": [math.nan, 1e-7, "日本"], "b": {}, "name \udcff": -math.inf}
    render.dump(value)
    shown = '{\n  "a": [\n    "nan",\n    1e-07,\n    "日本"\n  ],\n  "b": {},\n  "name ?": "-inf"\n}\n'
    assert capsys.readouterr().out == shown


def test_redaction_markers_have_a_style_of_their_own() -> None:
    shown = render.literal("key=[REDACTED:key-api-key] rest")
    assert [shown.plain[span.start : span.end] for span in shown.spans] == ["[REDACTED:key-api-key]"]
