"""What this process writes to its console while runs are open: whole lines, sealed some at a time, into the run's log.

The writing thread does no more than to queue the text. A thread of our own makes lines of it, seals and appends them, half a
second later or sooner if there is much; what is left at the end of the run is done in the background.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from reticent import clock
from reticent.forks import after_fork_in_child
from reticent.process import at_exit
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
_ASKS = re.compile(r"[:=][ \t]*\\?[ \t]*\Z|\\[ \t]*\Z")
"""The end of a line that asks for a value, which stands on the next line then."""
_BRACKETS = re.compile(r"[\[({]|[\])}]")
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
            before = self._before[stream].split("\n")[:-1]
            ready = _sealable(before, lines[:count])
            if ready == 0:
                if count == len(lines) and size < BATCH and not last:
                    return
                ready = count
            came = [encodable(line) for line in lines[:ready]]
            after = encodable("\n".join(lines[ready:count]))
            del lines[:ready]
            text = "\n".join(self._answered(before, came)) + "\n"
            sealed = self._recorder.seal_next("console", text, self._before[stream], after)
            self._before[stream] = _last_lines("\n".join((self._before[stream] + came[0], *came[1:])) + "\n")
            self._recorder.append(Console(time=clock.now(), stream=stream, text=sealed))

    def _answered(self, before: list[str], lines: list[str]) -> Iterator[str]:
        """The lines, sealed where one is the value that the line before it asks for: `password:`."""
        asking = next((line for line in reversed(before) if line.strip()), "")
        for line in lines:
            asks = _ASKS.search(asking)
            value = line.strip()
            if asks is not None and (_is_word(value) or (value and "\\" in asks[0])):
                key = asking.rstrip(" \t\\") + " "
                yield line[: len(line) - len(line.lstrip())] + self._recorder.seal_next("console", value, key)
            else:
                yield line
            asking = line if value else asking


def _shown(line: str) -> str:
    """A line as it stands on a terminal in the end, without colours: what follows the last carriage return, and the key
    that it is the value of, if that stood there before."""
    if len(line) > BATCH:
        return _TOO_LONG
    *gone, last = _ESCAPES.sub("", _latest(line)).rstrip("\r").rsplit("\r", 1)
    return "".join(gone) + last if _is_word(last) else last


def _latest(line: str) -> str:
    """As much of an unfinished line as may still count."""
    start = line.rstrip("\r").rfind("\r") + 1
    gone = line[:start].rstrip("\r").rpartition("\r")[2]
    line = f"{gone}\r{line[start:]}" if _ASKS.search(_ESCAPES.sub("", gone)) else line[start:]
    return line if len(line) <= BATCH else " " * (BATCH + 1)


def _is_word(text: str) -> bool:
    return len(text.split()) == 1 and any(map(str.isalnum, text))


def _last_lines(text: str) -> str:
    return text if len(text) <= CONTEXT else text[text.find("\n", len(text) - CONTEXT) + 1 :]


def _sealable(before: list[str], lines: list[str]) -> int:
    """How many of the first lines can be sealed without those to come: `before` are those sealed last."""
    begun = None
    for number, line in enumerate(lines):
        if "PRIVATE KEY" in line and "-----BEGIN" in line:
            begun = number
        if "-----END" in line:
            begun = None
    if begun is not None:
        return begun
    # What stands alone behind `"password": [`, or in a mapping below it, is known for its value by what follows.
    around = [*before, *lines]
    if not any(line.rstrip().endswith(_OPEN) for line in around[-2:]) and not _is_inside("\n".join(around)):
        return len(lines)
    return max((number for number, line in enumerate(lines) if line.strip()), default=0)


def _is_inside(text: str) -> bool:
    """Whether a bracket is open at the end of a text."""
    depth = 0
    for bracket in _BRACKETS.findall(text):
        depth = depth + 1 if bracket in "[({" else max(0, depth - 1)
    return depth > 0


_open: dict[str, Kept] = {}
"""By run id, the newest last."""
_thread: threading.Thread | None = None
_starting = threading.RLock()
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
        with _starting:  # two threads may write at once; one that is only just being started is not alive
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
    global _thread, _starting, _wake, _in_child
    _thread, _starting, _wake, _in_child = None, threading.RLock(), threading.Event(), bool(_open)
    for kept in _open.values():
        kept.forked()


after_fork_in_child(_forked)
