"""The budget for what waits in the run logs (`max_spool_mb`): when it is used up, metrics are thinned, nothing else."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from reticent.backends import name_of
from reticent.progress import unsettled

STEPS = 10
"""Each tenth of the budget beyond its end halves what is kept of the metrics."""

MOST = 1024


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
