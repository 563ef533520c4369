"""The time of a run's events: the system's, but never an earlier one than before, for by it readers put them in order.

A clock that is set back would otherwise have a run end before it began. Times then go on from where they were, a little
slower than the time that passes, until the clock is where they are. Points have the system's time as it is.
"""

from __future__ import annotations

import time

_TICK = 1e-6
"""A float of a time of day can tell apart about a quarter of this."""

_PACE = 0.9
"""So much of each second that passes is counted while the clock is behind: it catches up a minute in ten."""

_latest = 0.0
_mark = 0.0, 0.0
"""When the system's clock was last where times were, and when that was by a clock that nobody sets."""


def now(after: float = 0.0) -> float:
    """Epoch seconds, later than `after` and than what any call before has given in this process."""
    global _latest, _mark
    told = max(time.time(), after + _TICK)
    passing = time.monotonic()  # behind it: a thread that is held up in between must not get ahead of the clock
    then, passed = _mark
    slow = max(then + _PACE * (passing - passed), _latest + _TICK)
    if told >= slow:
        _mark = told, passing
    else:
        told = slow
    _latest = told
    return told
