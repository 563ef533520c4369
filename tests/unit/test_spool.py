"""`max_spool_mb`: where too much waits for backends metrics are thinned, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import reticent
from reticent import spool
from reticent.records import Lost, Param, SealedRecord
from reticent.run import Run
from reticent.runlog import RunReader
from reticent.sessions import current
from reticent.testing.isolation import isolated


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    with isolated(tmp_path / "root", backends=f"jsonl://{tmp_path / 'store'}") as root:
        yield root


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def everything(run: Run) -> tuple[list[SealedRecord], dict[str, list[int]]]:
    """The records in a run's log, and the steps of each metric."""
    reader, records = RunReader(run.directory), []
    steps: dict[str, list[int]] = {}
    while True:
        entries, blocks = reader.read()
        if not entries and not blocks:
            return records, steps
        records += [entry.record for entry in entries]
        for block in blocks:
            for metric in block:
                steps.setdefault(metric.key, []).append(metric.step)


def test_how_much_is_kept() -> None:
    kept = [spool.every(used, 100.0) for used in (0, 99, 100, 109, 111, 121, 151, 1_000, 10**9)]
    assert kept == [1, 1, 2, 2, 4, 8, 64, 1024, 1024]


def test_what_waits_is_counted(root: Path, tmp_path: Path) -> None:
    urls = [f"jsonl://{tmp_path / 'store'}"]
    with reticent.start_run(run_id="r"):
        reticent.log_text("x" * 100_000, "a.txt")
    assert spool.used(root, [], []) == 0
    assert spool.used(root, [], ["r"]) > 100_000
    until(lambda: reticent.flush(30) and spool.used(root, urls, []) == 0)
    assert spool.used(root, [*urls, "jsonl://another"], []) > 100_000  # which nothing has been delivered to
    assert spool.used(root, ["never-reached"], []) > 100_000


def test_metrics_are_thinned_and_nothing_else(root: Path, tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file: nothing can be delivered")
    reticent.configure(max_spool_mb=0.5, disk_sync_s=0.02, deliver_s=0.02)
    run, step = reticent.start_run(run_id="r"), 0
    while run._log.write_metric != run._log._write_thinned:
        for key in ("loss", "accuracy"):
            run.log_metric(key, 0.5, step)
        step += 1
    thinned_from = step
    for step in range(thinned_from, thinned_from + 4001):
        for key in ("loss", "accuracy"):
            run.log_metric(key, 0.5, step)
        if step % 100 == 0:
            run.log_param(f"p{step}", step)
    run.set_tag("kept", "yes")
    run.end()
    until(lambda: not current().background.pending())
    records, steps = everything(run)
    assert list(steps) == ["loss", "accuracy"]
    for kept in steps.values():
        assert kept == sorted(set(kept))
        assert (kept[0], kept[-1]) == (0, step)
        assert len(kept) <= thinned_from + 4001 / 2 + 2
    lost = [record for record in records if isinstance(record, Lost)]
    assert {record.what for record in lost} == {"metric points thinned"}
    assert "max_spool_mb" in lost[0].reason
    assert sum(record.count for record in lost) == 2 * (step + 1) - sum(map(len, steps.values()))
    assert sum(isinstance(record, Param) for record in records) >= 40

    (tmp_path / "store").unlink()
    until(lambda: reticent.flush(5) and current()._budget._every == 1)
    stored = reticent.get_run("r")
    assert stored.tags["kept"] == "yes"
    assert stored.health.state == "degraded"
    assert len(stored.metric_history("loss")) == len(steps["loss"])


def test_it_is_over_when_all_has_arrived(root: Path, tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file: nothing can be delivered")
    reticent.configure(max_spool_mb=0.3, disk_sync_s=0.02, deliver_s=0.02)
    with reticent.start_run(run_id="large") as large:
        large.log_text("x" * 1_000_000, "a.txt")
    run = reticent.start_run(run_id="r")
    until(lambda: run._log._every == 1024)
    for step in range(100):
        run.log_metric("loss", 0.5, step)
    (tmp_path / "store").unlink()
    until(lambda: run._log._every == 1)
    for step in range(100, 200):
        run.log_metric("loss", 0.5, step)
    run.end()
    assert reticent.flush(30)
    assert everything(run)[1] == {"loss": [0, 1, *range(99, 200)]}  # the first segment began with the first


def test_it_costs_nothing_where_it_is_not_set(root: Path) -> None:
    run = reticent.start_run(run_id="r")
    run.log_metric("loss", 0.5, 0)
    segment = run._log._segment
    assert segment is not None
    assert run._log.write_metric == segment.write
