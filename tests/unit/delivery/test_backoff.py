"""When a backend that refuses is asked again: not before the time that it asked for, and soon enough."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

import reticent
from reticent.backends import Batch, Rejection, Target, UnavailableError
from reticent.delivery import backoff, sender
from reticent.delivery.backoff import Backoff
from reticent.sessions import current
from reticent.testing.isolation import isolated


class Clock:
    """The time by which is waited, which stands still until the test moves it."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Refusing:
    """Refuses with each of the waits that it is given, then takes everything; `asked` is when."""

    def __init__(self, clock: Clock, waits: list[float]) -> None:
        self.clock = clock
        self.waits = waits
        self.asked: list[float] = []

    def open(self, target: Target) -> str:
        return "refusing"

    def write(self, batch: Batch) -> list[Rejection]:
        self.asked.append(self.clock.now)
        if self.waits:
            raise UnavailableError("429: too many requests", retry_after=self.waits.pop(0))
        return []

    def close(self) -> None:
        pass


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    with isolated(tmp_path / "root", backends="jsonl") as root:
        yield root


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    moved = Clock()
    monkeypatch.setattr(backoff, "time", moved)
    monkeypatch.setattr(backoff, "random", SimpleNamespace(uniform=lambda _least, most: most))
    return moved


def passes() -> bool:
    """Let the sender pass several times; whether everything has arrived."""
    (one,) = current().senders()
    return one.flush(time.monotonic() + 0.3)


def begin(monkeypatch: pytest.MonkeyPatch, clock: Clock, waits: list[float]) -> Refusing:
    """A backend that refuses, and a run that was refused the first time."""
    backend = Refusing(clock, waits)
    monkeypatch.setattr(sender, "create", lambda _: backend)
    reticent.configure(deliver_s=0.01)
    reticent.start_run(run_id="r").log_param("lr", 0.1)
    while not backend.asked:
        assert not passes()
    return backend


def test_a_backend_is_not_asked_before_the_time_that_it_asked_for(
    root: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = begin(monkeypatch, clock, [2.0, 90.0])
    clock.now += 1.99
    assert not passes()
    assert backend.asked == [1000.0]
    clock.now = 1002.0
    assert not passes()
    assert backend.asked == [1000.0, 1002.0]
    clock.now += 89.9  # also where that is longer than it would be waited otherwise
    assert not passes()
    clock.now = 1092.0
    while not passes():
        assert len(backend.asked) < 10
    assert backend.asked[:2] == [1000.0, 1002.0]
    assert set(backend.asked[2:]) == {1092.0}
    assert current().senders()[0].error == ""


@pytest.mark.parametrize("wait", [0.0, -5.0, math.nan])
def test_one_that_asks_for_no_time_is_given_some(
    root: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, wait: float
) -> None:
    backend = begin(monkeypatch, clock, [wait, wait])
    clock.now += 0.49
    assert not passes()
    assert backend.asked == [1000.0]
    clock.now = 1000.5
    assert not passes()
    assert backend.asked == [1000.0, 1000.5]
    clock.now += 1.0
    assert passes()


def test_jitter_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(backoff, "time", clock)
    for failures, most in enumerate([0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, *[60.0] * 1200]):
        if 9 < failures < 1200:  # so many failures in a row are no overflow
            continue
        waits = [after(failures, 0.0) for _ in range(100 if failures < 10 else 3)]
        assert 0 <= min(waits) < max(waits) <= most
        assert failures >= 10 or max(waits) > most / 2  # the whole of it is used: not all come again at once
        asked_for = [after(failures, 10.0) for _ in range(3)]
        assert all(10.0 <= wait <= max(10.0, most) for wait in asked_for)


def after(failures: int, retry_after: float) -> float:
    """How long is waited after so many failures and one more."""
    one = Backoff()
    for _ in range(failures):
        one.failed()
    one.failed(retry_after)
    return one._until - backoff.time.monotonic()
