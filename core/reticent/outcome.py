"""How a training ended, by the exception that ended it."""

from __future__ import annotations

import traceback
from pathlib import Path
from types import FrameType

from reticent.records import RunStatus

FRAMES = 50
"""The most stack frames that are kept of an error, from where it was caught to where it was raised."""
FRAMES_AROUND = 20
"""The most that are kept of the calls that led there."""

_OUR_WRAPPERS = str(Path(__file__).parent / "patching")


def status_of(error: BaseException | None) -> RunStatus:
    """The status of a run that this exception ended; None: it came to its end."""
    if error is None or isinstance(error, GeneratorExit):
        return RunStatus.FINISHED
    if isinstance(error, KeyboardInterrupt):
        return RunStatus.KILLED
    if isinstance(error, SystemExit):
        return RunStatus.FINISHED if error.code in (None, 0) else RunStatus.KILLED
    if is_pruned(error):
        return RunStatus.KILLED
    return RunStatus.FAILED


def is_pruned(error: BaseException | None) -> bool:
    """Whether Optuna was told so that a trial is not worth going on with: nothing is wrong then."""
    return any(
        (kind.__module__, kind.__qualname__) == ("optuna.exceptions", "TrialPruned") for kind in type(error).__mro__
    )


def traceback_text(error: BaseException) -> str:
    """The error as Python would print it if nobody caught it, without our wrappers; not sealed."""
    told = traceback.TracebackException.from_exception(error, limit=FRAMES)
    caught = error.__traceback__
    around = _script_down_to(caught.tb_frame) if caught is not None else []
    told.stack = traceback.StackSummary.from_list([*around, *told.stack])
    link: traceback.TracebackException | None = told
    while link is not None:
        stack = [frame for frame in link.stack if not frame.filename.startswith(_OUR_WRAPPERS)]
        link.stack = traceback.StackSummary.from_list(stack)
        link = link.__cause__ or link.__context__
    return "".join(told.format())


def _script_down_to(frame: FrameType) -> list[traceback.FrameSummary]:
    """The calls from the script or notebook cell to this frame, which is not among them. None that are over already."""
    frames: list[tuple[FrameType, int]] = []
    while not _begins(frame) and frame.f_back is not None and len(frames) < FRAMES_AROUND:
        frame = frame.f_back
        frames.append((frame, frame.f_lineno))
    return list(traceback.StackSummary.extract(iter(frames[::-1])))


def _begins(frame: FrameType) -> bool:
    return frame.f_code.co_name == "<module>" and frame.f_globals.get("__name__") == "__main__"
