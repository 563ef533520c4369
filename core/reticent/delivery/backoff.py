"""When to try a failing backend, or a run that it cannot take, again: exponential backoff with full jitter."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable

from reticent.backends import RunUnavailableError, UnavailableError
from reticent_redact import SealedText

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


def concerns_all(error: Exception) -> bool:
    """Whether a backend that fails so takes nothing now, of whichever run."""
    return isinstance(error, UnavailableError) and not isinstance(error, RunUnavailableError)


class Apart:
    """Runs that could not be taken while others may be: each is tried again by itself."""

    def __init__(self) -> None:
        self._runs: dict[str, tuple[Backoff, SealedText]] = {}

    def failed(self, run_id: str, why: SealedText) -> None:
        backoff, _ = self._runs.get(run_id, (Backoff(), None))
        backoff.failed()
        self._runs[run_id] = backoff, why

    def succeeded(self, run_id: str) -> None:
        self._runs.pop(run_id, None)

    def keep(self, run_ids: Iterable[str]) -> None:
        """Forget all runs but these."""
        self._runs = {run_id: self._runs[run_id] for run_id in run_ids if run_id in self._runs}

    def due(self, run_ids: Iterable[str]) -> list[str]:
        """Of these runs those that are to be tried now."""
        return [run_id for run_id in run_ids if run_id not in self._runs or not self._runs[run_id][0].open()]

    def why(self) -> str:
        """What was wrong with one of them; "" if there are none."""
        return next((why for _, why in self._runs.values()), "")
