"""Who holds a run: that says when it ends, and which trainings log to it.

The user holds a run that `start_run` was called for: it ends when the user says so, and every training in its context
joins it. The others are opened by autologging, for one training. A fit holds its run until the call is over. Around a loop
there is no call: its run has holders (a training, a writer, an estimator that learns in parts) and ends when the last has
left it. As that may be long after the loop is over, such a run gives way to a fit that begins meanwhile: it ends. If the
loop turns out to go on, so does its run, which then gives way no more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from reticent.run import Run

By: TypeAlias = Literal["user", "fit", "loop"]


@dataclass
class Holding:
    """Who holds one run."""

    by: By = "user"
    goes_on: bool = False
    """Whether a training that is resumed goes on in the run: it logs again what it began with."""
    gives_way: bool = False
    gave_way: bool = False
    holders: set[int] = field(default_factory=set)
    """The ids of a loop's."""
    last_step: Callable[[], float] = lambda: 0.0
    """When a loop has made its last step, by `time.perf_counter`; 0 if it does not tell."""

    def has(self, holder: object) -> bool:
        """Whether the run waits for this one to leave it."""
        return id(holder) in self.holders


def run_to_join() -> Run | None:
    """The run of this context, if a training that begins here is to log to it. That of a loop gives way."""
    run = _run_here()
    if run is not None and run.holding.gives_way:
        run.holding.gave_way = True
        run.end()
        return run_to_join()
    return run


def run_of_fit(name: str | None, run_id: str | None, child: bool) -> Run:
    """A run that is opened for a call: under this name, as the run with this id goes on, or as a child of the open one."""
    return _open("fit", name, run_id, nested=child or None)


def run_of_loop(holder: object, name: str, run_id: str | None) -> Run:
    """The run that a loop logs to: as `run_with_holder`, but it gives way, unless the loop has turned out to go on (then
    `run_id` is given): what it trains on its way is a part of it."""
    run = run_with_holder(holder, name, run_id)
    run.holding.gives_way = run.holding.by == "loop" and run_id is None
    return run


def run_with_holder(holder: object, name: str | None = None, run_id: str | None = None) -> Run:
    """The run of this context, or one that is opened here; if autologging has it opened for no call, it lasts until `holder`
    has left it."""
    run = _run_here() or _open("loop", name, run_id, nested=None)
    if run.holding.by == "loop":
        run.holding.holders.add(id(holder))
    return run


def hand_over(run: Run, holder: object) -> None:
    """Have a run that was opened for a call outlast it, unless the call fails, until `holder` has left it."""
    run.holding.by = "loop"
    run.holding.holders.add(id(holder))


def leave(run: Run, holder: object) -> None:
    """Let go of a run; with its last holder it ends."""
    if run.holding.has(holder):
        run.holding.holders.discard(id(holder))
        if not run.holding.holders:
            run.end()


def _run_here() -> Run | None:
    """The run of this context, if it is this process's: of several forked workers, each would take its training for the
    first in that of their parent."""
    from reticent.api import active_run

    run = active_run()
    return run if run is not None and run.owned else None


def _open(by: By, name: str | None, run_id: str | None, nested: bool | None) -> Run:
    from reticent.api import start_run

    run = start_run(name, run_id=run_id, nested=nested)
    run.holding = Holding(by, goes_on=run_id is not None)
    return run
