"""Which hooked calls this context is inside of, and how threads that work for a call inherit it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeAlias

from reticent.active import active

EVERYTHING = "*"

inside: ContextVar[frozenset[str]] = ContextVar("reticent_inside", default=frozenset())
"""The integrations whose hooked calls are under way here; `EVERYTHING` keeps all hooks quiet."""

fit: ContextVar[tuple[str, int]] = ContextVar("reticent_fit", default=("", 1))
"""The run of the hooked call around this context and which fit in that run it is, for the hooked calls that it makes."""

Carried: TypeAlias = tuple[tuple[str, ...], str | None, tuple[str, int]]
"""Plain data, so that an object that carries it still pickles where Reticent is not installed."""


def carry() -> Carried:
    """This context, to be restored by `carried` in a thread that works for it."""
    run = active.get()
    return tuple(inside.get()), None if run is None else run.run_id, fit.get()


@contextmanager
def carried(context: Carried) -> Iterator[None]:
    """Be in the context that `carry` was called in."""
    names, run_id, current_fit = context
    from reticent.sessions import current

    run = current().runs.get(run_id) if run_id is not None else None
    inside_token, active_token, fit_token = inside.set(frozenset(names)), active.set(run), fit.set(current_fit)
    try:
        yield
    finally:
        fit.reset(fit_token)
        inside.reset(inside_token)
        active.reset(active_token)


@contextmanager
def quiet() -> Iterator[None]:
    """No hook runs in here: for our own calls of a framework's functions."""
    token = inside.set(inside.get() | {EVERYTHING})
    try:
        yield
    finally:
        inside.reset(token)
