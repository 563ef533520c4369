"""Keeps warnings about what we ask of results from the user, who has not asked."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast


class _HereOnly(threading.local):
    """Stands for the pattern of a warnings filter, and matches any message, in a silent thread only."""

    depth = 0

    def match(self, message: str) -> bool:  # noqa: ARG002 - the signature of a compiled pattern
        return self.depth > 0


_here = _HereOnly()
_FILTER: Any = ("ignore", _here, Warning, None, 0)


@contextmanager
def silent() -> Iterator[None]:
    """No warning of this thread is shown or remembered in here.

    `warnings.catch_warnings` would do it for all threads, and where two use it at once, filters stay that should not.
    """
    filters = cast("list[Any]", warnings.filters)
    filters.insert(0, _FILTER)
    _here.depth += 1
    try:
        yield
    finally:
        _here.depth -= 1
        if _FILTER in filters:
            filters.remove(_FILTER)
