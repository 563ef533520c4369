"""Threads that work for a fit belong to it: what they train opens no runs of its own.

scikit-learn's parallel functions wrap each of their tasks in a `_FuncWrapper`. Which run a task works for is noted on it
as plain data, so a task that goes to another process goes as before.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable, Iterator
from contextlib import nullcontext
from typing import Any

from reticent.patching import Call, carried, carry
from reticent.patching.context import Carried
from reticent_integrations.sklearn.watching import Watch, watching

_NOTE = "_reticent_context"


def dispatch(call: Call) -> Generator[None, Any, None]:
    """Around `sklearn.utils.parallel.Parallel.__call__`.

    The context is taken here, not when a task is made: most tasks are made in a thread of joblib's, when others are done.
    """
    kind = getattr(sys.modules["sklearn.utils.parallel"], "_FuncWrapper", None)
    if kind is None or not call.explicit("iterable"):
        yield
        return
    watch = watching.get()
    with nullcontext(False) if watch is None else watch.attending(call.instance) as seen:
        call.set("iterable", _noted(call.get("iterable"), kind, carry(), watch if seen else None))
        yield


def work(call: Call) -> Generator[None, Any, None]:
    """Around `_FuncWrapper.__call__`, in whichever thread that is."""
    context = getattr(call.instance, _NOTE, None)
    if context is None:
        yield
        return
    token = watching.set(None)  # a search that is fitted in a search is none of the latter's candidates
    try:
        with carried(context):
            yield
    finally:
        watching.reset(token)


def _noted(tasks: Iterable[Any], kind: type, context: Carried, watch: Watch | None) -> Iterator[Any]:
    for task in tasks:
        if isinstance(task, tuple) and task and isinstance(task[0], kind):
            setattr(task[0], _NOTE, context)
            if watch is not None:
                watch.noted(task)
        yield task
