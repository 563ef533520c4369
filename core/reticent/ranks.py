"""Which rank of a distributed training this process is, and how long its steps take."""

from __future__ import annotations

import math
import os
import sys
import time
from functools import lru_cache


def rank() -> int | None:
    """This process's number in a distributed training; None if it is in none.

    Of torch.distributed, once that is set up, else of the variables that its launchers set.
    """
    distributed = sys.modules.get("torch.distributed")
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        return int(distributed.get_rank()) if distributed.get_world_size() > 1 else None
    return _rank_by_launcher()


@lru_cache(maxsize=1)
def _rank_by_launcher() -> int | None:
    """What this process was started with."""
    told = os.environ
    if not told.get("MASTER_ADDR") or told.get("WORLD_SIZE", "1") in ("", "1"):
        return None
    number = told.get("RANK") or told.get("LOCAL_RANK") or ""  # Lightning tells its processes the local one alone
    return int(number) if number.isdecimal() else None


def follows() -> bool:
    """Whether this is another rank than the one that logs."""
    return bool(rank())


class StepTimes:
    """How long the steps of this rank take. All ranks wait for the slowest in each step, so that theirs are as long: which
    one it is shows in what it does before the gradients are exchanged, drawing data and going forward."""

    def __init__(self) -> None:
        self.count = 0
        """Of the steps that have ended; kept by who calls `step_ended`, in which most steps have nothing to do."""
        self._began = 0.0
        self._forward_began = 0.0
        self._steps = _Times()
        self._forwards = _Times()

    def forward_ended(self) -> None:
        """Note that a pass backward begins; of several before a step, the first one counts."""
        if self._forward_began:
            self._forwards.add(time.perf_counter() - self._forward_began)
            self._forward_began = 0.0

    def wanted(self) -> bool:
        """Whether this is a rank. To be asked after 1, 2, 4, 8... steps: it may have been set up, and the run opened."""
        if follows():
            from reticent import member, sessions

            member.of(sessions.current())
        return rank() is not None

    def step_ended(self) -> None:
        """Note that a step of a rank has ended. Takes a microsecond, and logs nothing."""
        now = time.perf_counter()
        if self._began:
            self._steps.add(now - self._began)
        self._began = self._forward_began = now

    def take(self) -> dict[str, float]:
        """The times since this was last called, in seconds; nothing if there were no steps, or if this is no rank."""
        steps, self._steps = self._steps, _Times()
        forwards, self._forwards = self._forwards, _Times()
        return {**steps.told("step_seconds"), **forwards.told("data_and_forward_seconds")}

    def stop(self) -> dict[str, float]:
        """As `take`; what passes from here to the next step is none."""
        self._began = self._forward_began = 0.0
        return self.take()


class _Times:
    def __init__(self) -> None:
        self.least, self.most, self.total, self.count = math.inf, 0.0, 0.0, 0

    def add(self, seconds: float) -> None:
        self.least, self.most = min(self.least, seconds), max(self.most, seconds)
        self.total += seconds
        self.count += 1

    def told(self, name: str) -> dict[str, float]:
        if not self.count:
            return {}
        return {f"{name}_min": self.least, f"{name}_mean": self.total / self.count, f"{name}_max": self.most}


step_times = StepTimes()
