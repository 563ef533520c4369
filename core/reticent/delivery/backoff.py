"""When to try a failing backend again: exponential backoff with full jitter."""

from __future__ import annotations

import random
import time

FIRST_S = 0.5
LONGEST_S = 60.0


class Backoff:
    """Closed while all goes well. After the n-th failure in a row it stays open for up to 0.5 * 2^n s, at most 60 s."""

    def __init__(self) -> None:
        self._failures = 0
        self._until = 0.0

    def open(self) -> bool:
        return time.monotonic() < self._until

    def failed(self, retry_after: float = 0.0) -> None:
        longest = min(LONGEST_S, FIRST_S * 2 ** min(self._failures, 10))
        self._failures += 1
        self._until = time.monotonic() + max(retry_after, random.uniform(0, longest))  # noqa: S311 - jitter, no secret

    def succeeded(self) -> None:
        self._failures = 0
        self._until = 0.0
