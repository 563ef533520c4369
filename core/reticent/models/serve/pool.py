"""Threads that predict: so many and no more, with a short queue before them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any


class BusyError(Exception):
    """All threads are at work, and enough calls wait for one."""


class Pool:
    """Its threads are daemons: a prediction that does not come to an end cannot keep the process from ending."""

    def __init__(self, threads: int, waiting: int) -> None:
        self._jobs: queue.Queue[tuple[Future[Any], Callable[[], Any]]] = queue.Queue(waiting)
        for number in range(threads):
            threading.Thread(target=self._work, name=f"reticent-predict-{number}", daemon=True).start()

    def submit(self, function: Callable[[], Any]) -> Future[Any]:
        """The call's future, which can be cancelled as long as it waits. BusyError if it would wait too long."""
        future: Future[Any] = Future()
        try:
            self._jobs.put_nowait((future, function))
        except queue.Full:
            raise BusyError from None
        return future

    def _work(self) -> None:
        while True:
            self._do(*self._jobs.get())

    @staticmethod
    def _do(future: Future[Any], function: Callable[[], Any]) -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(function())
        except BaseException as error:  # noqa: BLE001 - a model may even exit; whoever waits for it gets to know
            future.set_exception(error)
