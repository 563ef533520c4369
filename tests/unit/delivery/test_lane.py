"""What a lane makes of runs that live, die, cannot be taken, or are large."""

from __future__ import annotations

import math
import queue
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

import reticent
from reticent.backends import Batch, Rejection, RunUnavailableError, Target, UnavailableError
from reticent.delivery import Arrived, Failed, Lane, backoff, lane, sender
from reticent.sessions import current
from reticent.testing.isolation import isolated

Told = queue.SimpleQueue["Arrived | Failed"]

LIVING = """
import reticent, sys
reticent.configure(dir=sys.argv[1], backends=[], capture={"git": False, "system_s": 0})
reticent.start_run(run_id="r")
reticent.log_param("lr", 0.1)
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    with isolated(tmp_path / "root", backends="") as root:
        yield root


@pytest.fixture
def watching(root: Path) -> Iterator[tuple[Lane, Told]]:
    """A lane to the backend that the test has made, not started, and what it tells."""
    told: Told = queue.SimpleQueue()
    lane = current().new_sender("jsonl", Lane)
    lane.told = told.put
    yield lane, told
    lane.stop()
    assert lane.join(time.monotonic() + 30)


class Noting:
    """Notes the order in which runs come; one of them it cannot take."""

    order: ClassVar[list[str]] = []
    unavailable: ClassVar[list[UnavailableError]] = []
    poison = ""
    refusal: ClassVar[Exception] = ValueError("cannot be taken")

    def open(self, target: Target) -> str:
        return "noting"

    def write(self, batch: Batch) -> list[Rejection]:
        if self.unavailable:
            raise self.unavailable.pop()
        if batch.run_id == self.poison:
            raise self.refusal
        self.order.append(batch.run_id)
        return []

    def close(self) -> None:
        pass


@pytest.fixture
def noting(root: Path, monkeypatch: pytest.MonkeyPatch) -> type[Noting]:
    monkeypatch.setattr(sender, "create", lambda _: Noting())
    monkeypatch.setattr(Noting, "order", [])
    monkeypatch.setattr(Noting, "unavailable", [])
    reticent.configure(batch_records=10)
    return Noting


def log(run_id: str, points: int = 3) -> None:
    with reticent.start_run(run_id=run_id) as run:
        for step in range(points):
            run.log_metric("loss", 0.5, step)
    assert reticent.flush(30)


def test_a_run_whose_process_vanishes_while_it_is_followed_is_crashed(root: Path, watching: tuple[Lane, Told]) -> None:
    lane, told = watching
    with subprocess.Popen(
        [sys.executable, "-c", LIVING, str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        lane.start(0.05)
        event = told.get(timeout=30)
        assert isinstance(event, Arrived)
        assert not event.complete
        process.kill()
    while not (isinstance(event, Arrived) and event.complete):
        event = told.get(timeout=30)
    runs = (root / "jsonl" / "r" / "runs.jsonl").read_text()
    assert "CRASHED" in runs
    assert '"complete"' in (root / "jsonl" / "r" / "events.jsonl").read_text()


@pytest.mark.parametrize("refusal", [ValueError("cannot be taken"), RunUnavailableError("a file fails")])
def test_a_run_that_cannot_be_taken_stops_no_other(
    refusal: Exception, noting: type[Noting], watching: tuple[Lane, Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    lane, told = watching
    monkeypatch.setattr(noting, "refusal", refusal)
    monkeypatch.setattr(noting, "poison", "bad")
    log("bad"), log("good")
    lane.start(0.01)
    arrived = told.get(timeout=30)
    assert isinstance(arrived, Arrived)
    assert (arrived.run_id, arrived.complete) == ("good", True)
    failed = told.get(timeout=30)
    assert failed == Failed("jsonl", f"run bad: {type(refusal).__name__}: {refusal}")
    monkeypatch.setattr(noting, "poison", "")
    assert {type(told.get(timeout=30)), type(told.get(timeout=30))} == {Arrived, Failed}
    assert "bad" in noting.order


def test_nor_one_that_comes_later(
    noting: type[Noting], watching: tuple[Lane, Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    lane, told = watching
    monkeypatch.setattr(noting, "poison", "bad")
    monkeypatch.setattr(backoff.random, "uniform", lambda *_: 3600.0)
    log("bad")
    lane.start(0.01)
    assert told.get(timeout=30) == Failed("jsonl", "run bad: ValueError: cannot be taken")
    log("good")
    arrived = told.get(timeout=30)
    assert isinstance(arrived, Arrived)
    assert (arrived.run_id, arrived.complete) == ("good", True)
    assert lane.error


def test_a_large_run_keeps_one_that_comes_later_from_nothing(
    noting: type[Noting], watching: tuple[Lane, Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    lane_, told = watching
    monkeypatch.setattr(lane, "LOOK_S", 0.0)
    monkeypatch.setattr(lane, "LOOK_SHARE", math.inf)  # else a look that a busy machine held up delays the next one
    log("large", 2000)
    write = noting.write

    def begins_another(self: Noting, batch: Batch) -> list[Rejection]:
        if len(noting.order) == 3:
            log("later")
        return write(self, batch)

    monkeypatch.setattr(noting, "write", begins_another)
    lane_.start(0.01)
    event = told.get(timeout=30)
    assert isinstance(event, Arrived)
    assert event.run_id == "later"
    assert noting.order.index("later") < 10


def test_what_takes_nothing_more_from_a_process_is_asked_again(
    noting: type[Noting], watching: tuple[Lane, Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    lane_, told = watching
    monkeypatch.setattr(lane, "LONGEST_S", 0.05)
    noting.unavailable.append(UnavailableError("another version", math.inf))
    log("r")
    lane_.start(0.01)
    assert told.get(timeout=30) == Failed("jsonl", "UnavailableError: another version")
    assert {type(told.get(timeout=30)), type(told.get(timeout=30))} == {Arrived, Failed}
