"""Parquet files keep what backends promise, as pandas and DuckDB read them."""

from __future__ import annotations

import dataclasses
import json
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from reticent import records
from reticent.backends import Mark, parquet
from reticent.backends.parquet import ParquetBackend
from reticent.testing import BackendContract
from reticent.testing.batches import RUN, START, batch, example, tag


class TestParquet(BackendContract):
    backend = ParquetBackend

    def url(self, directory: Path) -> str:
        return f"parquet://{directory}/store"

    def parts(self, url: str, table: str) -> list[str]:
        directory = Path(url.removeprefix("parquet://")) / table / f"run_id={RUN}"
        return sorted(os.listdir(directory)) if directory.exists() else []

    def rows(self, url: str, table: str, run_id: str, *columns: str) -> list[tuple[Any, ...]]:
        """What pandas finds, which must be what DuckDB does."""
        directory = Path(url.removeprefix("parquet://")) / table
        if not (directory / f"run_id={run_id}").is_dir():
            return []
        frame = pd.read_parquet(directory / f"run_id={run_id}")
        found = list(zip(*(frame[column].tolist() for column in columns), strict=True))
        query = (
            f"select {', '.join(columns)} from "
            f"read_parquet('{directory}/*/*.parquet', hive_types={{'run_id': VARCHAR}}) where run_id = '{run_id}'"
        )
        by_duckdb = duckdb.sql(query).fetchall()

        def comparable(rows: list[tuple[Any, ...]]) -> list[str]:
            return sorted(repr(tuple(None if cell is None or cell != cell else cell for cell in row)) for row in rows)

        assert comparable(found) == comparable(by_duckdb)
        return found

    def read(self, url: str, run_id: str) -> dict[str, object]:
        runs = self.rows(url, "runs", run_id, "type", "status")
        metrics: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
        for key, step, value in self.rows(url, "metrics", run_id, "key", "step", "value"):
            metrics[key].append((step, value))
        if not runs and not metrics:
            return {}
        ended = [status for kind, status in runs if kind == "end"]
        events = [json.loads(text) for _, text in self.rows(url, "events", run_id, "type", "record") if text]
        aliases = sorted((one for one in events if "alias" in one), key=lambda one: one["time"])
        kept = Path(url.removeprefix("parquet://")) / "files" / run_id
        return {
            "status": ended[-1] if ended else "RUNNING",
            "params": dict(self.rows(url, "params", run_id, "key", "value")),
            "tags": dict(self.rows(url, "tags", run_id, "key", "value")),
            "metrics": {key: sorted(points, key=lambda point: point[0]) for key, points in metrics.items()},
            "artifacts": sorted(str(path.relative_to(kept)) for path in kept.rglob("*") if path.is_file()),
            "aliases": {f"{one['name']}@{one['alias']}": one["path"] for one in aliases},
        }

    def test_times_are_timestamps(self, store: str, tmp_path: Path) -> None:
        self.write(store, tmp_path, example(tmp_path))
        frame = pd.read_parquet(Path(store.removeprefix("parquet://")) / "metrics")
        assert frame["time"].min() == pd.Timestamp(START, unit="s", tz="UTC")
        assert set(frame["run_id"]) == {RUN}

    def written(self, store: str, root: Path, count: int, mark: Mark | None = None, first: int = 0) -> Mark:
        """Batches of one point each."""
        one = batch(root, metrics=[("loss", 0, 0.0)])
        points = [batch(root, metrics=[("loss", step, 0.0)]).metrics for step in range(first, first + count)]
        batches = [dataclasses.replace(one, entries=(), metrics=metrics) for metrics in points]
        return self.write(store, root, *batches, mark=mark)

    def steps(self, store: str) -> list[int]:
        return sorted(step for (step,) in self.rows(store, "metrics", RUN, "step"))

    def test_many_small_parts_become_a_larger_one(
        self, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(parquet, "MANY", 3)
        self.written(store, tmp_path, 20)
        assert self.parts(store, "metrics") == [
            "part-000000-000008.parquet",
            "part-000009-000017.parquet",
            "part-000018.parquet",
            "part-000019.parquet",
        ]
        assert self.steps(store) == list(range(20))

    def test_a_run_that_has_ended_is_one_part(
        self, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(parquet, "ROWS", 2)
        mark = self.written(store, tmp_path, 5)
        ended = batch(tmp_path, records.RunEnded(time=START, status=records.RunStatus.FINISHED))
        assert len(self.parts(store, "metrics")) == 5
        mark = self.write(store, tmp_path, ended, mark=mark)
        assert self.parts(store, "metrics") == ["part-000000-000004.parquet"]
        for _ in range(3):  # what comes after its end, say how its delivery stands
            mark = self.write(store, tmp_path, batch(tmp_path, tag("a", "b")), mark=mark)
        assert len(self.parts(store, "tags")) <= 3
        assert self.steps(store) == list(range(5))

    def test_a_process_that_dies_while_it_makes_one_part_of_several(
        self, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The new part and some of the old ones are there, and the batch comes again."""
        monkeypatch.setattr(parquet, "MANY", 3)
        mark = self.written(store, tmp_path, 3)
        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", _unlink_the_first_part)
            with pytest.raises(OSError, match="killed"):
                self.written(store, tmp_path, 1, mark, first=3)
        left = ["part-000000-000002.parquet", "part-000001.parquet", "part-000002.parquet"]
        assert self.parts(store, "metrics") == left
        self.written(store, tmp_path, 1, mark, first=3)
        assert self.steps(store) == list(range(4))


_unlink = Path.unlink


def _unlink_the_first_part(path: Path, missing_ok: bool = False) -> None:
    if path.name in ("part-000001.parquet", "part-000002.parquet"):
        raise OSError("killed")
    _unlink(path, missing_ok)
