"""Metrics whose values are still on a device: copied to the host without waiting for it, written when they have arrived.

To read a CUDA tensor is to wait until the device has done all that it was given before; a training that logs its loss in
every step would stand still in every step. A value that has not arrived when the process is killed is lost with the device's
memory: for these alone, a log call that has returned is no promise.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

POLL_S = 0.001
TURN_S = 0.1
"""So long the background waits for a device before it does other work."""
END_S = 1.0
"""So long the end of a run waits for it; points that arrive later are added to the run."""


class Copy(NamedTuple):
    """A tensor in the memory of the host that has its value once `arrived()`."""

    host: Any
    arrived: Callable[[], bool]


class Point(NamedTuple):
    """A point of a metric with the time of its log call."""

    key: int
    step: int
    time: float
    copy: Copy


class Deferred:
    """The points of one run that wait for their values, in the order in which they were logged.

    `write` takes those that have arrived; `soon` has a job done off the training thread.
    """

    def __init__(self, write: Callable[[Point], None], soon: Callable[[Callable[[], None]], None]) -> None:
        self._write = write
        self._soon = soon
        self._points: deque[Point] = deque()
        self._lock = threading.Lock()
        self._scheduled = False

    def put(self, point: Point) -> None:
        """Have a point written when its value has arrived. Waits for nothing."""
        self._points.append(point)
        self._schedule()

    def settle(self, deadline: float) -> bool:
        """Write what arrives before `time.monotonic()` reaches `deadline`; whether nothing is left. Raises what the
        device raises, and then goes on without that point."""
        if not self._lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
            return False
        try:
            while self._points:
                if self._first_arrived():
                    self._write(self._points.popleft())
                elif time.monotonic() < deadline:
                    time.sleep(POLL_S)
                else:
                    return False
            return True
        finally:
            self._lock.release()

    def _first_arrived(self) -> bool:
        try:
            return self._points[0].copy.arrived()
        except BaseException:
            self._points.popleft()
            raise

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._soon(self._work)

    def _work(self) -> None:
        self._scheduled = False
        try:
            self.settle(time.monotonic() + TURN_S)
        finally:
            if self._points:
                self._schedule()  # behind what else is to be done there


def on_device(value: Any) -> bool:
    """Whether a value is a tensor in the memory of a CUDA device, or of Apple's, which can tell when a copy has arrived."""
    is_there = getattr(value, "is_cuda", None) is True or getattr(value, "is_mps", None) is True
    return is_there and "torch" in sys.modules


def begin_copy(value: Any) -> Copy:
    """Have the device copy a tensor to pinned memory when it comes to that. ValueError if it is not one number."""
    if value.numel() != 1:
        raise ValueError(f"a metric's value must be one number, not {value.numel()}")
    torch: Any = sys.modules["torch"]
    host = value.detach().to("cpu", non_blocking=True)
    if value.is_cuda:
        event = torch.cuda.Event()
        event.record(torch.cuda.current_stream(value.device))
    else:
        event = torch.mps.Event()
        event.record()
    return Copy(host, event.query)
