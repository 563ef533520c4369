"""What a person, or the journal, sees of deliveries that go on until they are stopped."""

from __future__ import annotations

import queue
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from types import FrameType

from rich.console import Console
from rich.live import Live
from rich.text import Text

from reticent.backends import name_of
from reticent.cli import render
from reticent.delivery import Arrived, Failed, Lane, end

TICK_S = 0.2


def watch(out: Console, lanes: Sequence[Lane], interval_s: float, exit_timeout_s: float) -> None:
    """Have these lanes deliver until Ctrl-C or SIGTERM: a line for each delivery, on a terminal one that changes."""
    told: queue.SimpleQueue[Arrived | Failed] = queue.SimpleQueue()
    with (
        until_stopped() as stopped,
        Live(console=out, transient=True) if render.on_terminal(out) else nullcontext() as live,
    ):
        for lane in lanes:
            lane.told = told.put
            lane.start(interval_s)
            lane.wake()
        while not stopped():
            time.sleep(TICK_S)
            if live is None:
                print_lines(out, told)
            else:
                live.update(_standing(lanes))
    end(lanes, exit_timeout_s)
    if live is None:
        print_lines(out, told)
    else:
        out.print(_standing(lanes))


@contextmanager
def until_stopped() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C or SIGTERM has come. The second Ctrl-C does what it always does."""
    came = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal came
        came = True
        for number, handler in before.items():
            signal.signal(number, handler)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def print_lines(out: Console, told: queue.SimpleQueue[Arrived | Failed]) -> None:
    with suppress(queue.Empty):
        while True:
            out.print(line(told.get_nowait()), soft_wrap=True)
            out.file.flush()


def line(event: Arrived | Failed, *before: str) -> Text:
    """One thing that happened, as a line of text for people and `grep`."""
    start = "  ".join((render.clock(time.time()), *before, name_of(event.backend)))
    if isinstance(event, Arrived):
        parts = [render.plural(event.records, "record")] * bool(event.records) + ["complete"] * event.complete
        return render.literal(f"{start}  {event.run_id}  {', '.join(parts)}")
    return render.literal(f"{start}  {event.error or 'takes records again'}")


def _standing(lanes: Sequence[Lane]) -> Text:
    text = Text()
    for lane in lanes:
        text.append_text(render.check("bad" if lane.error else "good"))
        text.append(f" {name_of(lane.url)}  {render.plural(lane.records, 'record')}  ")
        if lane.error:
            text.append_text(render.literal(lane.error, render.BAD, limit=60)).append("  ")
    text.append("Ctrl-C ends it", style=render.DIM)
    return text
