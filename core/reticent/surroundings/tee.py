"""A stand-in for `sys.stdout` or `sys.stderr` that lets everything through unchanged, and tells what was written."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

from reticent.guard import swallowed

Stream = Literal["stdout", "stderr"]
Listener = Callable[[Stream, str], None]
STREAMS: tuple[Stream, ...] = ("stdout", "stderr")

_here = threading.local()
"""`busy` while this thread writes through a tee: not heard again are a tee below it, and what the listener itself writes."""
_placed: dict[Stream, Tee] = {}


class Tee:
    """All that it does not do itself, attributes set on it included, is the stream's."""

    __slots__ = ("_listen", "_name", "_stream")
    _listen: Listener
    _name: Stream
    _stream: Any

    def __init__(self, name: Stream, stream: Any, listen: Listener) -> None:
        object.__setattr__(self, "_name", name)
        object.__setattr__(self, "_stream", stream)
        object.__setattr__(self, "_listen", listen)

    def write(self, text: str) -> Any:
        if getattr(_here, "busy", False):
            return self._stream.write(text)
        _here.busy = True
        try:
            result = self._stream.write(text)
            with swallowed("console"):
                self._listen(self._name, text)
            return result
        finally:
            _here.busy = False

    def writelines(self, lines: Iterable[str]) -> None:
        if getattr(_here, "busy", False):
            self._stream.writelines(lines)
            return
        _here.busy = True
        try:
            self._stream.writelines(self._heard(lines))
        finally:
            _here.busy = False

    def _heard(self, lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            yield line
            with swallowed("console"):  # the stream has taken it: it asks for the next one
                self._listen(self._name, line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._stream, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._stream, name)

    def __enter__(self) -> Tee:
        self._stream.__enter__()
        return self

    def __exit__(self, *error: Any) -> Any:
        return self._stream.__exit__(*error)

    def __iter__(self) -> Iterator[str]:
        return iter(self._stream)

    def __next__(self) -> str:
        line: str = next(self._stream)
        return line

    def __repr__(self) -> str:
        return repr(self._stream)

    def __dir__(self) -> list[str]:
        return dir(self._stream)

    @property  # type: ignore[misc] # so that isinstance answers as for the stream
    def __class__(self) -> type:
        return type(self._stream)


def place(listen: Listener) -> None:
    """Stand before both streams. A tee that is still there, as somebody had replaced it for a while, is used again."""
    for name in STREAMS:
        stream = getattr(sys, name, None)
        if type(stream) is Tee:
            _placed[name] = stream
        elif stream is not None:  # as under pythonw
            _placed[name] = Tee(name, stream, listen)
            setattr(sys, name, _placed[name])


def remove() -> None:
    """Put back what was there, unless somebody has put another object over the tee."""
    for name, tee in _placed.items():
        if getattr(sys, name, None) is tee:
            setattr(sys, name, tee._stream)
    _placed.clear()
