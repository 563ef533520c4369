"""The budget for what waits in the run logs (`max_spool_mb`): when it is used up, metrics are thinned, nothing else."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from reticent.backends import name_of
from reticent.guard import warn_once
from reticent.progress import unsettled
from reticent_redact import SealedText

if TYPE_CHECKING:
    from reticent.runlog import LogWriter
    from reticent.session import Session

STEPS = 10
"""Each tenth of the budget beyond its end halves what is kept of the metrics."""

MOST = 1024


class Budget:
    """What one session keeps to."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._every = 1
        """Of each metric's points every which one is kept."""
        self._next_look = 0.0

    def keep(self) -> None:
        """Thin metrics while more waits in the run logs than the settings allow."""
        session = self._session
        allowed = session.settings.max_spool_mb * 1e6
        if not allowed or time.monotonic() < self._next_look:
            return
        begun = time.monotonic()
        wanted = every(used(session.root, session.settings.backends, session.runs), allowed)
        self._next_look = begun + 20 * (time.monotonic() - begun)
        if wanted != self._every:
            self._every = wanted
            for writer in list(session.writers.values()):
                writer.thin(wanted, self._reason())
        if wanted > 1:
            warn_once("thinned metrics", f"{self._reason()}; of metrics only a part is kept until they have")
        for writer in list(session.writers.values()):
            writer.note_thinned()

    def apply(self, writer: LogWriter) -> None:
        """To a writer that was opened just now."""
        if self._every > 1:
            writer.thin(self._every, self._reason())

    def _reason(self) -> SealedText:
        root, allowed = self._session.root, self._session.settings.max_spool_mb
        return self._session.seal(
            "warning", f"backends have not got what is under {root}: over {allowed:g} MB (max_spool_mb)"
        )


def used(root: Path, urls: Iterable[str], own: Iterable[str]) -> int:
    """The bytes of all runs under a root that one of these backends has not got whole, and of those of this process."""
    names = Counter(map(name_of, urls))
    return sum(_bytes(root / "runs" / run_id) for run_id in unsettled(root, names) | set(own))


def every(used_bytes: int, budget: float) -> int:
    """Which points are kept of each metric: every 1st, 2nd, 4th, ..."""
    over = used_bytes / budget - 1
    return 1 if over < 0 else min(MOST, 2 << min(int(over * STEPS), 30))


def _bytes(directory: Path) -> int:
    total = 0
    for place, _, names in os.walk(directory):
        for name in names:
            with suppress(OSError):  # removed by now
                total += os.lstat(os.path.join(place, name)).st_size
    return total
