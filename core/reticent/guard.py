"""The one place where our own errors end, so that training never sees one.

Every call that user code makes into Reticent while it trains runs inside `swallowed`. What goes wrong is counted and
told once per kind through the `reticent` logger. In strict mode (`RETICENT_STRICT=1`, for tests) it is raised instead.
"""

from __future__ import annotations

import functools
import logging
import os
import signal
from collections.abc import Callable
from types import CodeType, TracebackType
from typing import Any

logger = logging.getLogger("reticent")
strict = os.environ.get("RETICENT_STRICT", "") not in ("", "0")
_told: set[str] = set()


class swallowed:  # noqa: N801 - used as a statement, like contextlib.suppress
    """Context manager: `with swallowed("log_param"): ...`; `report(kind, error)` is called with what was swallowed."""

    __slots__ = ("kind", "report")

    def __init__(self, kind: str, report: Callable[[str, BaseException], None] | None = None) -> None:
        self.kind = kind
        self.report = report

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, exc_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        # SystemExit: from a method of the user's classes that only we have called, and which must not end the training.
        if error is None or not isinstance(error, (Exception, SystemExit)):
            return False
        if strict or from_signal_handler(error):  # the user's way out of the training, which we must not stand in
            return False
        if self.report is None:
            warn_once(self.kind, f"{self.kind}: {type(error).__name__}; the training is not affected")
        else:
            with swallowed(f"reporting an error of {self.kind}"):
                self.report(self.kind, error)
        return True


def from_signal_handler(error: BaseException) -> bool:
    """Whether an error was raised by a handler of the user's for a signal that came just then."""
    codes, trace = set(), error.__traceback__
    while trace is not None:
        codes.add(trace.tb_frame.f_code)
        trace = trace.tb_next
    handlers = [signal.getsignal(number) for number in signal.valid_signals()]
    return any(_code(handler) in codes for handler in handlers if callable(handler))


def _code(handler: Any) -> CodeType | None:
    """The code of a function, a method, or what a callable object is called by."""
    while isinstance(handler, functools.partial):
        handler = handler.func
    function = handler if hasattr(handler, "__code__") else type(handler).__call__
    return getattr(function, "__code__", None)


def warn_once(kind: str, message: str) -> None:
    """Log `message`, which must be sealed or ours, unless a message of this kind was already logged by this process."""
    if kind not in _told:
        _told.add(kind)
        logger.warning("reticent: %s", message)
