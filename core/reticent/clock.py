"""The time of a run's events: the system's, but never an earlier one than before, for by it readers put them in order.

A clock that is set back would otherwise have a run end before it began. Points have the system's time as it is.
"""

from __future__ import annotations

import time

_TICK = 1e-6
"""A float of a time of day can tell apart about a quarter of this."""

_latest = 0.0


def now(after: float = 0.0) -> float:
    """Epoch seconds, later than `after` and than what any call before has given in this process."""
    global _latest
    _latest = max(time.time(), _latest + _TICK, after + _TICK)
    return _latest
