"""Work that another process does: a child of low priority, which calls functions of modules with texts.

What is a lot of Python (drawing, rewriting a model, trying it) would slow down a training that shares the
interpreter's lock with it, and a failing one must not end the training. A child sees no GPU.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import select
import selectors
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from reticent.ownfile import OwnDescriptor

IDLE_S = 60
"""A child that has had nothing to do for so long ends."""

_CHILD = "import sys; sys.path[:] = sys.argv[2:]; from reticent.aside import main; main(int(sys.argv[1]))"


HERE_BYTES = 64 << 20
"""What is larger is not worked on here, at the end of the process either: its memory is that of the training."""

is_child = False
"""Whether this process is such a child."""
is_ending = False
"""Whether this process ends: none of the user's code runs any more."""


@functools.cache
def scratch() -> Path:
    """A directory for what such a child would log, which goes with it."""
    import tempfile

    place = tempfile.TemporaryDirectory(prefix="reticent-aside-")
    atexit.register(place.cleanup)
    return Path(place.name)


class AsideError(Exception):
    """A function failed in the child, or the child did; says how."""


class EndedError(Exception):
    """The process ends, and does not wait any longer for what the child does."""


class Aside:
    """Calls one function after the other; used in the background only, by one thread or by several."""

    def __init__(self) -> None:
        self._child: _Child | None = None
        self._turn = threading.Lock()
        self._choice = threading.Lock()
        self._size = 0
        self._here = False
        self._is_over = False

    def call(self, function: Callable[..., str], *texts: str, timeout_s: float, size: int = 0) -> str:
        """What `function`, which any process can import, returns in the child, working on `size` bytes. OSError if there
        can be no child, or if it is to be done here, AsideError if it raises there, takes longer than `timeout_s`, or if
        the child ends, EndedError after `end`."""
        with self._turn:
            with self._choice:
                self._size = size
                self._check()
                if self._child is None or self._child.ended():
                    self.close()
                    self._child = _Child()
                child = self._child
            try:
                answer = child.answer([function.__module__, function.__qualname__, *texts], timeout_s)
            except OSError as error:
                self.close()
                self._check()
                raise AsideError(f"the process that works aside has ended, or took too long ({error})") from error
        if "error" in answer:
            raise AsideError(answer["error"])
        return str(answer["result"])

    def is_calling(self) -> bool:
        """Whether the child works on something."""
        return self._turn.locked()

    def take_back(self) -> None:
        """For the end of a process, where nothing trains any more, and all that such work needs is imported, which takes a
        child seconds. Unless a child has done some already, from now on have all but what is large done here: calls raise
        OSError, the one under way too."""
        with self._choice:
            child = self._child
            self._here = child is None or not child.has_answered or child.ended()
            if self._here and child is not None and self._size <= HERE_BYTES:
                child.kill()

    def end(self) -> None:
        """Call nothing from now on, and give up what is under way: who waits for it gets EndedError."""
        with self._choice:
            self._is_over = True
            if self._child is not None:
                self._child.kill()

    def _check(self) -> None:
        if self._is_over:
            raise EndedError("the process ended before it was done")
        if self._here and self._size <= HERE_BYTES:
            raise OSError("it is done here, as the process ends")

    def close(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.end()


class _Child:
    def __init__(self) -> None:
        self.has_answered = False
        (its_input, jobs), (answers, its_output) = os.pipe(), os.pipe()
        self._jobs, self._answers = OwnDescriptor(jobs), OwnDescriptor(answers)
        try:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter and our own module
                child_command(its_output),
                stdin=its_input,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[its_output],  # not its standard output, to which anything that it imports may print
                start_new_session=True,  # Ctrl-C is for the training
                env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "-1"},
            )
        except OSError:
            self._close_pipes()
            raise
        finally:
            os.close(its_input)
            os.close(its_output)

    def ended(self) -> bool:
        return self._jobs.lost() or self._answers.lost() or self._process.poll() is not None

    def answer(self, call: list[str], timeout_s: float) -> dict[str, Any]:
        """OSError if it has ended, or takes too long."""
        line = f"{json.dumps(call)}\n".encode()
        while line:
            line = line[os.write(self._jobs.number, line) :]
        deadline = time.monotonic() + timeout_s
        answer = b""
        with selectors.DefaultSelector() as selector:  # `select` refuses numbers over 1,023
            selector.register(self._answers.number, selectors.EVENT_READ)
            while not answer.endswith(b"\n"):
                ready = selector.select(max(0.0, deadline - time.monotonic()))
                piece = os.read(self._answers.number, 1 << 16) if ready else b""
                if not piece:
                    raise OSError("no answer")
                answer += piece
        self.has_answered = True
        return dict(json.loads(answer))

    def kill(self) -> None:
        """Have a call under way come to its end."""
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        self._close_pipes()
        self._process.kill()
        self._process.wait()

    def _close_pipes(self) -> None:
        self._jobs.close()
        self._answers.close()


def child_command(answers: int) -> list[str]:
    """What starts another interpreter like this one. OSError where this is a part of another program."""
    if getattr(sys, "frozen", False) or not Path(sys.executable or "").name.startswith("python"):
        raise OSError("no interpreter to start")
    return [sys.executable, "-I", "-c", _CHILD, str(answers), *map(os.path.abspath, sys.path)]


def main(answers: int) -> None:
    """What the child does: call what its input says, a call a line, and answer each with a line."""
    global is_child
    is_child = True
    with suppress(AttributeError, OSError):  # Windows has no priorities of this kind
        os.nice(10)
    while select.select([0], [], [], IDLE_S)[0]:
        line = sys.stdin.buffer.readline()
        if not line:
            return
        module, name, *texts = json.loads(line)
        try:
            answer = {"result": getattr(import_module(module), name)(*texts)}
        except Exception as error:  # noqa: BLE001 - the parent gets to know of it, whatever it is
            answer = {"error": f"{type(error).__name__}: {error}"[:2000]}
        data = f"{json.dumps(answer)}\n".encode()
        while data:
            data = data[os.write(answers, data) :]
