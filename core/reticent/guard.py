"""The one place where errors end, ours and those of what we ask, so that training never sees one.

Every call that user code makes into Reticent while it trains runs inside `swallowed`. What goes wrong is counted and
told once per kind through the `reticent` logger. In strict mode (`RETICENT_STRICT=1`, for tests) it is raised instead.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING

from reticent_redact.signals import from_handler

if TYPE_CHECKING:
    from threading import RLock

logger = logging.getLogger("reticent")
strict = os.environ.get("RETICENT_STRICT", "") not in ("", "0")
_told: set[str] = set()
_LOCK_S = 10.0


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
        if strict or from_handler(error):  # the user's way out of the training, which we must not stand in
            return False
        if self.report is None:
            warn_once(self.kind, f"{self.kind}: {type(error).__name__}; the training is not affected")
        else:
            with swallowed(f"reporting an error of {self.kind}"):
                self.report(self.kind, error)
        return True


class tried:  # noqa: N801 - as above
    """`with tried() as attempt: ...` around code of others, which may fail in any way: that is no error, and what there is
    to know of it is `attempt.error`."""

    __slots__ = ("error",)

    def __init__(self) -> None:
        self.error: Exception | None = None

    def __enter__(self) -> tried:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception) or from_handler(error):
            return False
        self.error = error.with_traceback(None)  # else it would keep alive what the frames hold, and they it
        return True


def said(error: BaseException) -> str:
    """What an error is and says, not sealed; one of others may be unable to say anything."""
    with tried():
        return f"{type(error).__name__}: {error}"
    return f"{type(error).__name__}: its text cannot be had"


def warn_once(kind: str, message: str) -> None:
    """Log `message`, which must be sealed or ours, unless a message of this kind was already logged by this process."""
    if kind not in _told:
        _told.add(kind)
        logger.warning("reticent: %s", message)


@contextmanager
def one_at_a_time(lock: RLock) -> Iterator[None]:
    """In here one thread works at a time, as a rule: nobody waits longer than for one that works. One that is lost, or waits
    for this one, is not waited for."""
    got = lock.acquire(timeout=_LOCK_S)
    try:
        yield
    finally:
        if got:
            lock.release()
