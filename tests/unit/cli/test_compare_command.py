"""`reticent compare`: what differs, and which is better where the name says so."""

from __future__ import annotations

import json
import math

import pytest

from reticent.cli.compare import best, difference

from .conftest import Command


def test_only_params_that_differ_are_shown(command: Command) -> None:
    outcome = command("compare", "bbbb0001", "bbbb0002")
    assert outcome.code == 0
    keys = [line.split()[0] for line in outcome.out.splitlines() if line.split()]
    assert {"C", "path"} <= set(keys)
    assert "p" * 60 + "2" in outcome.out  # whole, as nothing is cut off in a pipe
    assert "penalty" not in keys
    assert "1 alike" in outcome.out


def test_metrics_stand_side_by_side_with_their_difference(command: Command) -> None:
    out = command("compare", "bbbb0001", "bbbb0002").out
    (line,) = [line for line in out.splitlines() if line.split()[:1] == ["accuracy"]]
    assert line.split() == ["accuracy", "0.91", "0.92", "+0.01", "(+1.1%)"]


def test_three_runs_have_a_spread_and_what_one_lacks_is_a_dot(command: Command) -> None:
    out = command("compare", "bbbb0001", "bbbb0008", "aaaa0001").out
    (line,) = [line for line in out.splitlines() if line.split()[:1] == ["accuracy"]]
    assert line.split() == ["accuracy", "0.91", "0.98", "·", "0.07"]
    assert "spread" in out


def test_json(command: Command) -> None:
    compared = json.loads(command("compare", "bbbb0001", "aaaa0001", "--json").out)
    assert [run["run_id"] for run in compared["runs"]] == ["bbbb0001", "aaaa0001"]
    assert compared["params"]["C"] == ["1", None]
    assert compared["metrics"]["accuracy"] == [0.91, None]


@pytest.mark.parametrize(("arguments", "code"), [(["bbbb0001"], 2), ([], 2), (["bbbb0001", "ffff0000"], 1)])
def test_too_few_or_unknown_runs(command: Command, arguments: list[str], code: int) -> None:
    assert command("compare", *arguments).code == code


def test_best_is_known_from_the_name_only() -> None:
    assert best("accuracy", [0.1, 0.9, math.nan]) == 0.9
    assert best("val_loss", [0.1, 0.9, None]) == 0.1
    assert best("speed", [0.1, 0.9]) is None
    assert best("loss", [0.5, 0.5]) is None


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([1.0, 2.0], "+1 (+100.0%)"),
        ([0.0, 2.0], "+2"),
        ([-1.0, -2.0], "-1 (-100.0%)"),
        ([1.0, 1.0], "0"),
        ([1.0, None], ""),
        ([1.0, math.nan], ""),
        ([1.0, math.inf], ""),
        ([1.0, None, 4.0], "3"),
    ],
)
def test_differences(values: list[float | None], text: str) -> None:
    assert difference(values) == text
