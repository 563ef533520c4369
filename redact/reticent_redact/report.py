"""What was redacted, as counts: which rule, in which channel, what was done, how sure. Never a value, nor its length."""

from __future__ import annotations

import threading
from collections import Counter
from typing import NamedTuple

from reticent_redact.rules.rule import Confidence


class Hidden(NamedTuple):
    """One kind of redaction. `action`: mask, hash, drop, keep or withhold."""

    channel: str
    rule: str
    action: str
    confidence: Confidence


class Report:
    """A thread-safe counter of `Hidden`."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a handler of signals may log
        self._counts: Counter[Hidden] = Counter()

    def add(self, channel: str, rule: str, action: str, confidence: Confidence, count: int = 1) -> None:
        """Count `count` more of `action` done by `rule` in `channel`."""
        with self._lock:
            self._counts[Hidden(channel, rule, action, confidence)] += count

    def counts(self) -> dict[Hidden, int]:
        """The counts so far."""
        with self._lock:
            return dict(self._counts)

    def drain(self) -> dict[Hidden, int]:
        """The counts so far, which start again from nothing."""
        with self._lock:
            fresh: Counter[Hidden] = Counter()
            counts, self._counts = self._counts, fresh
            return dict(counts)

    def __bool__(self) -> bool:
        return bool(self._counts)
