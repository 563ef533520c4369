"""Of each metric the store knows the last point, the smallest and the largest value, whatever comes in which order."""

from __future__ import annotations

import math
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies

from reticent.backends import Batch, Target
from reticent.backends.sqlite import SqliteBackend, database_path
from reticent.records import METRIC, MetricBlock
from reticent_redact import Redactor

seal = Redactor().seal
KEYS = {1: seal("loss", channel="test"), 2: seal("accuracy", channel="test"), 7: seal("f1", channel="test")}
POINTS = strategies.tuples(
    strategies.sampled_from([1.0, 2.0, 3.0]),
    strategies.sampled_from([-(2**63), -1, 0, 1, 2, 2**63 - 1]),
    strategies.sampled_from([0.0, -1.5, 7.0, math.nan, math.inf, -math.inf]),
    strategies.sampled_from(list(KEYS)),
)


@given(strategies.lists(strategies.lists(POINTS, min_size=1, max_size=150), min_size=1, max_size=4))
@settings(max_examples=40)
def test_the_newest_is_that_of_all_points(
    tmp_path_factory: pytest.TempPathFactory, blocks: list[list[tuple[float, int, float, int]]]
) -> None:
    root = tmp_path_factory.mktemp("root")
    backend, first = SqliteBackend(), 0
    backend.open(Target("sqlite", root))
    for block in blocks:
        data = b"".join(METRIC.pack(*point) for point in block)
        backend.write(Batch("run", Path("/nowhere"), metrics=[MetricBlock("w", first, KEYS, data)]))
        first += len(block)
    backend.close()
    points = [point for block in blocks for point in block]
    expected = {}
    for number in {point[3] for point in points}:
        mine = [(step, time, place, value) for place, (time, step, value, key) in enumerate(points) if key == number]
        step, time, _, last = max(mine, key=lambda point: point[:3])
        known = [point[3] for point in mine if not math.isnan(point[3])]
        newest = (step, time, None if math.isnan(last) else last)
        expected[KEYS[number]] = (*newest, min(known, default=None), max(known, default=None))
    with closing(sqlite3.connect(database_path(root))) as connection:
        rows = connection.execute(
            "SELECT name, step, time, value, smallest, largest FROM latest_metric JOIN metric_key ON id = key"
        ).fetchall()
        stored = connection.execute(
            "SELECT place & 0xfffffffff, name, step, time, value FROM metric JOIN metric_key ON id = key"
        )
        found = sorted(stored.fetchall())
    assert {name: tuple(rest) for name, *rest in rows} == expected
    assert found == [
        (place, KEYS[key], step, time, None if math.isnan(value) else value)
        for place, (time, step, value, key) in enumerate(points)
    ]
