"""What was redacted, as counts: which rule, in which channel, what was done. Never a value, nor its length."""

from __future__ import annotations

import threading
from collections import Counter


class Report:
    """A thread-safe counter of (channel, rule, action)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str, str]] = Counter()

    def add(self, channel: str, rule: str, action: str, count: int = 1) -> None:
        """Count `count` more of `action` done by `rule` in `channel`."""
        with self._lock:
            self._counts[channel, rule, action] += count

    def counts(self) -> dict[tuple[str, str, str], int]:
        """The counts so far."""
        with self._lock:
            return dict(self._counts)

    def drain(self) -> dict[tuple[str, str, str], int]:
        """The counts so far, which start again from nothing."""
        with self._lock:
            counts = dict(self._counts)
            self._counts.clear()
            return counts

    def __bool__(self) -> bool:
        return bool(self._counts)
