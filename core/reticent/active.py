"""The run of a context. Apart from what a run is made of, so that a hook can be placed before any of that is imported."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reticent.run import Run

active: ContextVar[Run | None] = ContextVar("reticent_run", default=None)
"""The run that module-level functions log to in this context."""
