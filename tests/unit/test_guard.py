"""What passes through the guard: the user's own ways out of a training, and no error of ours."""

from __future__ import annotations

import functools
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import reticent
from reticent import guard


class TooLongError(Exception):
    pass


def plain(number: int, frame: object) -> None:
    raise TooLongError


class Handlers:
    def method(self, number: int, frame: object) -> None:
        raise TooLongError

    def __call__(self, number: int, frame: object) -> None:
        raise TooLongError


@pytest.fixture(
    params=[plain, Handlers().method, Handlers(), functools.partial(plain), lambda number, frame: plain(1, 2)]
)
def handler(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(guard, "strict", False)
    before = signal.signal(signal.SIGUSR1, request.param)
    yield
    signal.signal(signal.SIGUSR1, before)


class Value:
    """Its text is asked for by us alone; meanwhile something happens."""

    def __init__(self, happens: Callable[[], object]) -> None:
        self.happens = happens

    def __repr__(self) -> str:
        self.happens()
        return "value"


def test_what_a_signal_handler_raises_while_we_work_reaches_the_training(root: Path, handler: None) -> None:
    with reticent.start_run(), pytest.raises(TooLongError):
        reticent.log_param("value", Value(lambda: signal.raise_signal(signal.SIGUSR1)))


@pytest.mark.parametrize("error", [TooLongError, SystemExit])
def test_what_a_value_raises_does_not(error: type[BaseException], root: Path, handler: None) -> None:
    def fails() -> None:
        raise error

    with reticent.start_run():
        reticent.log_param("value", Value(fails))
