"""Brings everything under a root to one backend for as long as it is let: what is there, and what comes."""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from reticent.backends import UnavailableError
from reticent.delivery.backoff import LONGEST_S, concerns_all
from reticent.delivery.sender import Sender, Step
from reticent.progress import BusyError

LOOK_S = 1.0
"""How often it is looked for runs that have something new, also while others are being delivered."""

LOOK_SHARE = 0.05
"""The most of a lane's time that may go into that; where there are very many runs it is looked less often."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """What a backend was given of one run; `complete`: the run has ended, and that was the last of it."""

    backend: str
    run_id: str
    records: int
    complete: bool


@dataclass(frozen=True, slots=True)
class Failed:
    """Why a backend takes nothing now (sealed); "" if it does again."""

    backend: str
    error: str


class Lane(Sender):
    """A sender that follows the runs of all processes, living and dead, from `start` until `stop`.

    It calls `told` with what arrives and what fails, in its thread, and delivers only runs that are `wanted`.
    """

    told: Callable[[Arrived | Failed], object] = staticmethod(lambda _: None)
    wanted: Callable[[str], bool] = staticmethod(lambda _: True)
    records = 0
    """How many have arrived."""
    _next_look = -math.inf
    _told_error = ""
    _old: set[str] | None = None
    """Runs that had ended before this began: their logs have said already how their delivery stood, or never will."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._open: set[str] = set()
        """Runs of which it has told, and not that they are complete."""

    def join(self, deadline: float) -> bool:
        """Wait for the thread's end until `time.monotonic()` has reached `deadline`; whether it has ended."""
        if self._thread is not None:
            self._thread.join(max(0.0, deadline - time.monotonic()))
        return self._thread is None or not self._thread.is_alive()

    def _pass(self, leftovers: list[str]) -> bool:
        if self._old is None:
            self._old = set(leftovers)
        arrived: Counter[str] = Counter()
        failed = False
        turns = deque(self._following)
        while not self.stopped:
            if time.monotonic() >= self._next_look:
                turns += [one for one in self._apart.due(self._outstanding()) if one not in turns]
            if not turns:
                break
            run_id = turns.popleft()
            try:
                step = self._turn(run_id, partial(self._count_arrived, arrived, run_id))
            except BusyError:
                continue
            except Exception as error:  # what is wrong with one run is nothing to the others
                if concerns_all(error):
                    raise
                self._put_apart(run_id, error)
                failed = True
                continue
            self._apart.succeeded(run_id)
            if step is Step.MORE:
                turns.append(run_id)
            else:
                self._tell_arrived(run_id, arrived.pop(run_id, 0), step is Step.COMPLETE)
        if self._told_error and not self._apart.why():
            self._told_error = ""
            self.told(Failed(self.url, ""))
        return failed

    def _outstanding(self) -> list[str]:
        begun = time.monotonic()
        found = [run_id for run_id in self._opened().outstanding() if self.wanted(run_id)]
        self._apart.keep(found)
        ended = time.monotonic()
        self._next_look = begun + max(LOOK_S, (ended - begun) / LOOK_SHARE)
        return found

    def _turn(self, run_id: str, advance: Callable[[int], None]) -> Step:
        step = self._step(run_id, advance)
        if step is Step.CAUGHT_UP and self._old is not None:
            self._old.discard(run_id)
        return step

    def _tell_arrived(self, run_id: str, records: int, complete: bool) -> None:
        if records or (complete and run_id in self._open):
            self.told(Arrived(self.url, run_id, records, complete))
            (self._open.discard if complete else self._open.add)(run_id)

    def _count_arrived(self, arrived: Counter[str], run_id: str, records: int) -> None:
        arrived[run_id] += records
        self.records += records

    def _tells(self, run_id: str) -> bool:
        return self._old is not None and run_id not in self._old

    def _failed(self, error: BaseException) -> None:
        if isinstance(error, UnavailableError) and error.retry_after == math.inf:
            error = UnavailableError(str(error), LONGEST_S)  # no process comes after this one
        super()._failed(error)

    def _tell_failure(self) -> None:
        if self.error != self._told_error:
            self._told_error = self.error
            self.told(Failed(self.url, self.error))


def end(lanes: Sequence[Lane], timeout_s: float) -> None:
    """Stop lanes with what they are writing just now. What takes longer than this is given up, and comes again."""
    deadline = time.monotonic() + timeout_s
    for lane in lanes:
        lane.stop()
    for lane in lanes:
        if lane.join(deadline):
            lane.close()
