"""What this process writes to its console while runs are open: whole lines, sealed some at a time, into the run's log.

The writing thread does no more than to queue the text. A thread of our own makes lines of it, seals and appends them, half a
second later or sooner if there is much; what is left at the end of the run is done in the background.
"""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from reticent.process import after_fork_in_child, at_exit
from reticent.records import Console, RunStatus
from reticent.run import active
from reticent.surroundings import tee
from reticent.surroundings.environment import encodable
from reticent.surroundings.tee import STREAMS, Stream

if TYPE_CHECKING:
    from reticent.recorder import Recorder

INTERVAL_S = 0.5
BATCH = 64 << 10
"""Characters that are sealed at once, about, and the longest line that is kept."""

CONTEXT = 8 << 10
"""Characters before them that lines are sealed with: a value may come half a second after its key."""

_TOO_LONG = f"[a line of more than {BATCH} characters]"
_OPEN = (":", "=", "\\", "[", "(", "{")
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


class Kept:
    """What one run keeps of the console."""

    def __init__(self, run_id: str, recorder: Recorder, limit_mb: float) -> None:
        self._run_id = run_id
        self._recorder = recorder
        self._limit_mb = limit_mb
        self._left = int(limit_mb * (1 << 20))
        self._full = False
        self._forget()

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._queue: deque[tuple[Stream, int, str]] = deque()
        self._queued = 0
        self._unfinished: dict[tuple[Stream, int], str] = {}
        self._lines: dict[Stream, list[str]] = {name: [] for name in STREAMS}
        self._before: dict[Stream, str] = dict.fromkeys(STREAMS, "")
        """The last lines that were sealed, as they came: what is under a key in them is secret as well."""

    def forked(self) -> None:
        """In a forked child: what the parent had not yet kept is the parent's to keep."""
        self._forget()

    def add(self, stream: Stream, text: str) -> None:
        self._left -= len(text)
        if self._left < 0:
            self._full = True
            return
        self._queue.append((stream, threading.get_ident(), text))
        self._queued += len(text)
        if self._queued >= BATCH:
            _wake.set()

    def flush(self, last: bool = False) -> None:
        """Append the lines that are complete; with `last` all that there is."""
        with self._recorder.guard("console"), self._lock:
            self._cut_lines()
            if self._full:  # a line that was cut off may have been cut in a secret
                self._unfinished.clear()
            if last:
                for (stream, _), text in self._unfinished.items():
                    self._lines[stream].append(_shown(text))
                self._unfinished.clear()
            for stream in STREAMS:
                self._append(stream, last)
            if self._full and self._limit_mb:
                self._recorder.warn(
                    "console", f"more was written to the console than capture.console_mb, {self._limit_mb:g}, keeps"
                )
                self._limit_mb = 0.0  # told

    def close(self) -> None:
        """Keep nothing that is written from now on."""
        _open.pop(self._run_id, None)
        if not _open:
            tee.remove()

    def finish(self) -> None:
        self.flush(last=True)

    def _cut_lines(self) -> None:
        parts: dict[tuple[Stream, int], list[str]] = {key: [text] for key, text in self._unfinished.items()}
        self._queued = 0
        while self._queue:
            stream, thread, text = self._queue.popleft()
            before = parts.setdefault((stream, thread), [])
            before.append(text)
            if "\n" in text:
                *whole, rest = "".join(before).split("\n")
                self._lines[stream] += map(_shown, whole)
                before[:] = [rest]
        joined = ((key, "".join(texts)) for key, texts in parts.items())
        self._unfinished = {key: _latest(text) for key, text in joined if text}

    def _append(self, stream: Stream, last: bool) -> None:
        lines = self._lines[stream]
        while lines:
            size = count = 0
            while count < len(lines) and size < BATCH:
                size += len(lines[count]) + 1
                count += 1
            ready = _sealable(self._before[stream].split("\n")[-2:-1], lines[:count])
            if ready == 0:
                if count == len(lines) and size < BATCH and not last:
                    return
                ready = count
            text = encodable("\n".join(lines[:ready])) + "\n"
            del lines[:ready]
            sealed = self._recorder.seal_next("console", text, self._before[stream])
            self._before[stream] = _last_lines(self._before[stream] + text)
            self._recorder.append(Console(time=time.time(), stream=stream, text=sealed))


def _shown(line: str) -> str:
    """A line as it stands on a terminal in the end: what follows the last carriage return, without colours."""
    return _TOO_LONG if len(line) > BATCH else _ESCAPES.sub("", line.rstrip("\r").rpartition("\r")[2])


def _latest(line: str) -> str:
    """As much of an unfinished line as may still count."""
    line = line[line.rstrip("\r").rfind("\r") + 1 :]
    return line if len(line) <= BATCH else " " * (BATCH + 1)


def _last_lines(text: str) -> str:
    return text if len(text) <= CONTEXT else text[text.find("\n", len(text) - CONTEXT) + 1 :]


def _sealable(before: list[str], lines: list[str]) -> int:
    """How many of the first lines can be sealed without those to come: `before` is the line that was sealed last, if any."""
    begun = None
    for number, line in enumerate(lines):
        if "PRIVATE KEY" in line and "-----BEGIN" in line:
            begun = number
        if "-----END" in line:
            begun = None
    if begun is not None:
        return begun
    # What stands alone behind `"password": [` is known for its value by what follows.
    return len(lines) - any(line.rstrip().endswith(_OPEN) for line in [*before, *lines][-2:])


_open: dict[str, Kept] = {}
"""By run id, the newest last."""
_thread: threading.Thread | None = None
_wake = threading.Event()
_in_child = False
"""Whether this process was forked from one that kept its console, and has not yet seen to its own end."""


def keep(run_id: str, recorder: Recorder, limit_mb: float) -> Kept:
    """Keep what is written from now on, in this thread while the run is its active one, else while it is the newest."""
    kept = _open[run_id] = Kept(run_id, recorder, limit_mb)
    tee.place(_heard)
    _wake.set()
    return kept


def _heard(stream: Stream, text: str) -> None:
    global _thread, _in_child
    run = active.get()
    kept = run.kept_console if run is not None and run.status is RunStatus.RUNNING else None
    if kept is None:
        kept = next(iter(list(_open.values())[-1:]), None)
    if kept is None:
        return
    kept.add(stream, text)
    if _in_child:
        _in_child = False
        at_exit(_finish_all)  # its runs end with the parent, not with this process
    if _thread is None or not _thread.is_alive():
        _thread = threading.Thread(target=_run, name="reticent-console", daemon=True)
        _thread.start()


def _run() -> None:
    while True:
        _wake.wait(INTERVAL_S if _open else None)
        _wake.clear()
        for kept in list(_open.values()):
            kept.flush()


def _finish_all() -> None:
    for kept in list(_open.values()):
        kept.finish()


def _forked() -> None:
    global _thread, _wake, _in_child
    _thread, _wake, _in_child = None, threading.Event(), bool(_open)
    for kept in _open.values():
        kept.forked()


after_fork_in_child(_forked)
