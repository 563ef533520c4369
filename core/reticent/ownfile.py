"""Files that we hold open while the program runs, and never mistake another's file for.

A program may close every descriptor, as daemons do when they start; the files that it opens next get our numbers. So the
number is looked at before each use (0.5 us), and what would close it unseen is kept from doing so.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

from reticent.files import open_private


class OwnDescriptor:
    """A descriptor of which is known whether it still is the one that was opened."""

    __slots__ = ("_closed", "_file", "_lost", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self._file = _identity(number)
        self._lost = self._closed = False

    def lost(self) -> bool:
        """Whether somebody else has closed it."""
        if not (self._lost or self._closed) and _identity(self.number) != self._file:
            self._lost = not self._closed  # by another thread of ours, just now
        return self._lost

    def close(self) -> None:
        if not (self.lost() or self._closed):
            self._closed = True
            os.close(self.number)


class OwnFile:
    """A file of ours, open until `close`: opened again, by its path, if the program has closed its descriptor."""

    def __init__(self, path: Path, flags: int) -> None:
        self.path = path
        self._flags = flags & ~os.O_EXCL
        self._own = OwnDescriptor(open_private(path, flags))
        self._lock = threading.Lock()
        self._reopened = self._closed = False

    def descriptor(self) -> int:
        """To be used at once. ValueError after `close`, OSError if the file was lost and cannot be opened again."""
        if self._closed:
            raise ValueError("the file is closed")
        if self._own.lost():
            with self._lock:
                if self._own.lost():
                    self._reopened = True
                    self._own = OwnDescriptor(os.open(self.path, self._flags | getattr(os, "O_CLOEXEC", 0)))
        return self._own.number

    def lost(self) -> bool:
        """Whether the program has ever closed its descriptor."""
        return self._reopened or self._own.lost()

    def close(self) -> None:
        self._closed = True
        self._own.close()


def never_close(thing: object) -> None:
    """Keep an object that would close a descriptor in the end, even at that of the process: it may be another's by now."""
    import ctypes

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def _identity(number: int) -> tuple[int, int] | None:
    try:
        status = os.fstat(number)
    except OSError:
        return None
    return status.st_dev, status.st_ino
