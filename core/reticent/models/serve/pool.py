"""Threads that predict: so many and no more, with a short queue before them."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any


class BusyError(Exception):
    """All threads are at work, and enough calls wait for one."""


class Pool:
    """Its threads are daemons: a prediction that does not come to an end cannot keep the process from ending.

    A thread whose call was given up is stuck until the call ends; another one takes its place, as many times as there
    are threads to begin with.
    """

    def __init__(self, threads: int, waiting: int) -> None:
        self._jobs: queue.Queue[tuple[Future[Any], Callable[[], Any]]] = queue.Queue(waiting)
        self._lock = threading.Lock()
        self._wanted, self._count = threads, 0
        self._given_up: set[Future[Any]] = set()
        """Calls that go on although nobody waits for them."""
        self._stuck_since: float | None = None
        for _ in range(threads):
            self._start()

    def submit(self, function: Callable[[], Any]) -> Future[Any]:
        """The call's future, which can be cancelled as long as it waits. BusyError if it would wait too long."""
        future: Future[Any] = Future()
        try:
            self._jobs.put_nowait((future, function))
        except queue.Full:
            raise BusyError from None
        return future

    def give_up(self, future: Future[Any]) -> None:
        """Nobody waits for this call any more: it does not begin, or its thread is stuck."""
        with self._lock:
            if future.cancel() or future.done():
                return
            self._given_up.add(future)
            if self._free() < self._wanted and self._count < 2 * self._wanted:
                self._start()
            if self._free() == 0 and self._stuck_since is None:
                self._stuck_since = time.monotonic()

    def stuck_s(self) -> float | None:
        """For how many seconds all threads have been stuck; None if they are not."""
        since = self._stuck_since
        return None if since is None else time.monotonic() - since

    def _start(self) -> None:
        threading.Thread(target=self._work, name=f"reticent-predict-{self._count}", daemon=True).start()
        self._count += 1

    def _free(self) -> int:
        return self._count - len(self._given_up)

    def _work(self) -> None:
        while True:
            future, function = self._jobs.get()
            self._do(future, function)
            if self._is_spare(future):
                return

    def _is_spare(self, ended: Future[Any]) -> bool:
        """Whether this thread, whose call has ended, is one too many."""
        with self._lock:
            if ended not in self._given_up:
                return False
            self._given_up.remove(ended)
            self._stuck_since = None
            if self._free() <= self._wanted:
                return False
            self._count -= 1
            return True

    @staticmethod
    def _do(future: Future[Any], function: Callable[[], Any]) -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(function())
        except BaseException as error:  # noqa: BLE001 - a model may even exit; whoever waits for it gets to know
            future.set_exception(error)
