"""What a handler of the user's for a signal raises, as a time limit does: their way out, which no guard may stand in."""

from __future__ import annotations

import functools
import signal
from types import CodeType
from typing import Any

_NUMBERS = range(1, signal.NSIG)
"""All that there may be: to ask which this system has takes longer than what is done with them."""


def from_handler(error: BaseException) -> bool:
    """Whether an error was raised by a handler of the user's for a signal that came just then."""
    codes, trace = set(), error.__traceback__
    while trace is not None:
        codes.add(trace.tb_frame.f_code)
        trace = trace.tb_next
    handlers = [signal.getsignal(number) for number in _NUMBERS]
    return any(_code(handler) in codes for handler in handlers if callable(handler))


def _code(handler: Any) -> CodeType | None:
    """The code of a function, a method, or what a callable object is called by."""
    while isinstance(handler, functools.partial):
        handler = handler.func
    function = handler if hasattr(handler, "__code__") else type(handler).__call__
    return getattr(function, "__code__", None)
