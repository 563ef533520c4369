"""What passes through the guard: the user's own ways out of a training, and no error of ours."""

from __future__ import annotations

import functools
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import reticent
from reticent import guard
from reticent.models import locate
from reticent_redact import Policy, Redactor


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


def test_nor_does_it_end_in_what_others_may_raise(handler: None) -> None:
    with pytest.raises(TooLongError), guard.tried():
        signal.raise_signal(signal.SIGUSR1)
    with guard.tried() as attempt:
        raise TooLongError
    assert isinstance(attempt.error, TooLongError)
    with pytest.raises(KeyboardInterrupt), guard.tried():
        raise KeyboardInterrupt


def test_nor_in_the_redactor(handler: None) -> None:
    def render(value: object) -> str:
        signal.raise_signal(signal.SIGUSR1)
        return str(value)

    with pytest.raises(TooLongError):
        Redactor(Policy()).seal(["value"], channel="param", render=render)


def test_nor_where_a_model_is_fetched(handler: None) -> None:
    with pytest.raises(TooLongError), locate._remote("memory://here"):
        signal.raise_signal(signal.SIGUSR1)
