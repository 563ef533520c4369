"""Pictures of logged data, drawn by another process.

Drawing is a lot of Python, which holds the interpreter's lock: beside a training with threads it would slow it down. So
it is done by a child process of low priority, from data that is sealed. Where there can be no child, or it fails, a
picture is drawn here.
"""

from __future__ import annotations

import json
import os
import select
import selectors
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

from reticent.ownfile import OwnDescriptor

TIMEOUT_S = 120
IDLE_S = 60
"""A child that has had nothing to draw for so long ends."""

Draw: TypeAlias = Callable[[Any], Any]
"""A function of a module, which makes a matplotlib figure of what `json.loads` gives."""

_CHILD = "import sys; sys.path[:] = sys.argv[2:]; from reticent.pictures import main; main(int(sys.argv[1]))"
_DRAWN = b"1"


class Pictures:
    """Draws one picture after the other; called in the background only."""

    def __init__(self) -> None:
        self._child: _Child | None = None

    def draw(self, draw: Draw, data: str, file: Path) -> None:
        """Draw sealed JSON to a file, whose suffix is the format. Raises what `draw` raises."""
        job = json.dumps([draw.__module__, draw.__qualname__, data, str(file)])
        if draw.__module__ == "__main__" or not self._drawn_by_child(f"{job}\n".encode()):
            _draw(draw, data, file)

    def close(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.end()

    def _drawn_by_child(self, job: bytes) -> bool:
        try:
            if self._child is None or self._child.ended():
                self.close()
                self._child = _Child()
            return self._child.draws(job)
        except OSError:
            self.close()
            return False


class _Child:
    def __init__(self) -> None:
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
            )
        except OSError:
            self._close_pipes()
            raise
        finally:
            os.close(its_input)
            os.close(its_output)

    def ended(self) -> bool:
        return self._jobs.lost() or self._answers.lost() or self._process.poll() is not None

    def draws(self, job: bytes) -> bool:
        """Whether it has drawn that. OSError if it has ended, or takes too long."""
        while job:
            job = job[os.write(self._jobs.number, job) :]
        with selectors.DefaultSelector() as selector:  # `select` refuses numbers over 1,023
            selector.register(self._answers.number, selectors.EVENT_READ)
            answer = os.read(self._answers.number, 1) if selector.select(TIMEOUT_S) else b""
        if not answer:
            raise OSError("the process that draws does not answer")
        return answer == _DRAWN

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
    """What the child does: draw what its input says, a picture a line, and answer each with one byte."""
    with suppress(AttributeError, OSError):  # Windows has no priorities of this kind
        os.nice(10)
    while select.select([0], [], [], IDLE_S)[0]:
        line = sys.stdin.buffer.readline()
        if not line:
            return
        module, name, data, file = json.loads(line)
        answer = b"0"
        with suppress(Exception):  # the parent tries again, and reports what it gets
            _draw(getattr(import_module(module), name), data, Path(file))
            answer = _DRAWN
        os.write(answers, answer)


def _draw(draw: Draw, data: str, file: Path) -> None:
    draw(json.loads(data)).savefig(file)
