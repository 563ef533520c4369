"""Fits in the worker processes of the user's own `joblib.Parallel` are captured there as they would be here.

A task takes along what this process was told: its settings and the options of `autolog`. A worker serves one call after
another, also of a program that has switched autologging off meanwhile: between such tasks it captures nothing.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any

from reticent import autologging, layers, sessions, settings
from reticent.guard import swallowed
from reticent.patching import Call, carried, carry
from reticent.patching.context import EVERYTHING, Carried, inside

_TO_PROCESSES = ("LokyBackend", "MultiprocessingBackend")
"""The backends of joblib whose workers are processes of this machine, with the same modules; others may lack ours."""

_told = b""
"""What this process was last told by another one, or has told its workers."""


def hand_out(call: Call) -> Generator[None, Any, None]:
    """Around `joblib.Parallel.__call__`."""
    backend, tasks = getattr(call.instance, "_backend", None), call.get("iterable")
    if not inside.get():
        if type(backend).__name__ in _TO_PROCESSES:
            told = _tell()
            call.set("iterable", _tasks(tasks, lambda function: Task(function, told)))
    elif getattr(backend, "supports_sharedmem", False):  # threads: what they train is part of the call around this
        context = carry()
        call.set("iterable", _tasks(tasks, lambda function: _Within(function, context)))
    yield


class Task:
    """A function of a task that goes to another process."""

    def __init__(self, function: Any, told: bytes) -> None:
        self._function = function
        self._told = told

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        token = inside.set(frozenset())
        try:
            return self._function(*args, **kwargs)
        finally:
            inside.reset(token)

    def __reduce__(self) -> tuple[Any, ...]:
        # The function comes last: a method is looked up where it is read, and has to be found with its hook.
        return _arrived, (self._told,), {"_function": self._function}


class _Within:
    """A function of a task that a thread does."""

    def __init__(self, function: Any, context: Carried) -> None:
        self._function = function
        self._context = context

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with carried(self._context):
            return self._function(*args, **kwargs)


class _Tasks:
    def __init__(self, tasks: Iterable[Any], wrap: Callable[[Any], Any]) -> None:
        self._tasks = tasks
        self._wrap = wrap

    def __iter__(self) -> Iterator[Any]:
        for function, args, kwargs in self._tasks:
            yield self._wrap(function), args, kwargs


class _CountedTasks(_Tasks):
    """joblib tells how many are left if it can ask how many there are."""

    def __len__(self) -> int:
        return len(self._tasks)  # type: ignore[arg-type] # known to have a length


def _tasks(tasks: Iterable[Any], wrap: Callable[[Any], Any]) -> _Tasks:
    return (_CountedTasks if hasattr(tasks, "__len__") else _Tasks)(tasks, wrap)


def _tell() -> bytes:
    """What a worker has to be told. By joblib's pickler, since settings may have a function of the user's program."""
    global _told
    from joblib.externals.loky.backend.reduction import dumps

    environment = {name: value for name, value in os.environ.items() if name.startswith("RETICENT_")}
    configured = {**layers.configured, "dir": str(sessions.current().root)}
    _told = bytes(dumps((environment, configured, autologging.chosen())))
    return _told


def _arrived(told: bytes) -> Task:
    with swallowed("autologging in a worker process"):
        _do_as(told)
    return Task(None, told)


def _do_as(told: bytes) -> None:
    global _told
    if told == _told:
        return
    environment, configured, chosen = pickle.loads(told)  # noqa: S301 - from our own process, as the task itself
    for name in [name for name in os.environ if name.startswith("RETICENT_") and name not in environment]:
        del os.environ[name]
    os.environ.update(environment)
    settings.reset()
    settings.configure(**configured)
    autologging.autolog(**chosen)
    inside.set(frozenset({EVERYTHING}))
    _told = told
