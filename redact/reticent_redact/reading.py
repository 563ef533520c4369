"""The bytes of a file, a few at a time: a file's own methods take longer for so many small steps."""

from __future__ import annotations

import re
from typing import BinaryIO

from reticent_redact.parts import LARGEST

_CHUNK = 1024 * 1024


class Reader:
    """Reads a file from where it is. EOFError where there is less than asked for."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._data, self._at = b"", 0
        self._before = 0
        """Bytes that were read before `_data`."""

    def position(self) -> int:
        """How many bytes were read or passed over."""
        return self._before + self._at

    def peek(self, size: int) -> bytes:
        """What comes next, so many bytes if there are any left; of at most a MiB."""
        if len(self._data) - self._at < size:
            self._before += self._at
            self._data, self._at = self._data[self._at :] + self._file.read(_CHUNK), 0
        return self._data[self._at : self._at + size]

    def read(self, size: int) -> bytes:
        """Exactly so many bytes."""
        end = self._at + size
        if end > len(self._data):
            rest = self._data[self._at :]
            self._before += self._at
            self._data = rest + self._file.read(max(_CHUNK, size - len(rest)))
            self._at, end = 0, size
            if end > len(self._data):
                raise EOFError
        content = self._data[self._at : end]
        self._at = end
        return content

    def skip(self, size: int) -> None:
        """Pass over so many bytes."""
        while size > 0:
            self.peek(1)
            step = min(size, len(self._data) - self._at)
            if step == 0:
                raise EOFError
            self._at += step
            size -= step

    def skip_to(self, pattern: re.Pattern[bytes], longest: int) -> bool:
        """Pass over what comes before a pattern, of at most so many bytes; whether it comes."""
        while (match := pattern.search(self._data, self._at)) is None:
            self._before += (at := max(self._at, len(self._data) - longest))
            more = self._file.read(_CHUNK)
            self._data, self._at = self._data[at:] + more, 0
            if not more:
                self._at = len(self._data)
                return False
        self._at = match.start()
        return True

    def line(self) -> bytes:
        """A line without its end."""
        while (end := self._data.find(b"\n", self._at)) < 0:
            more = self._file.read(_CHUNK)
            if not more or len(self._data) - self._at > LARGEST:
                raise EOFError
            self._before += self._at
            self._data, self._at = self._data[self._at :] + more, 0
        line = self._data[self._at : end]
        self._at = end + 1
        return line

    def number(self, size: int) -> int:
        """An unsigned number, its smallest byte first."""
        return int.from_bytes(self.read(size), "little")
