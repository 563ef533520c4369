"""How a training ended, by the exception that ended it."""

from __future__ import annotations

import traceback

from reticent.records import RunStatus

FRAMES = 50
"""The most stack frames that are kept of an error."""


def status_of(error: BaseException | None) -> RunStatus:
    """The status of a run that this exception ended; None: it came to its end."""
    if error is None or isinstance(error, GeneratorExit):
        return RunStatus.FINISHED
    if isinstance(error, KeyboardInterrupt):
        return RunStatus.KILLED
    if isinstance(error, SystemExit):
        return RunStatus.FINISHED if error.code in (None, 0) else RunStatus.KILLED
    return RunStatus.FAILED


def traceback_text(error: BaseException) -> str:
    """The error as Python prints it, not sealed."""
    return "".join(traceback.format_exception(type(error), error, error.__traceback__, limit=FRAMES))
