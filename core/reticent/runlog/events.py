"""The event file: framed, checksummed lines, appended with one `write` each."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from reticent.ownfile import OwnFile
from reticent.records import SealedRecord

SUFFIX = ".events"

_encode = msgspec.json.Encoder().encode
_decode: Callable[[bytes], SealedRecord] = msgspec.json.Decoder(SealedRecord).decode


class EventWriter:
    """Appends records to one event file; safe to call from several threads of its process."""

    def __init__(self, path: Path) -> None:
        self.file = OwnFile(path, os.O_WRONLY | os.O_APPEND)
        self._torn = False
        self._writes = 0

    def append(self, records: tuple[SealedRecord, ...]) -> None:
        """All of `records` in one write. OSError when the disk does not take them; they may then be read in part."""
        data = b"".join(map(frame, records))
        if self._torn:
            data = b"\n" + data
        written = 0
        self._writes += 1
        try:
            while written < len(data):
                written += os.write(self.file.descriptor(), data[written:] if written else data)
        except OSError:
            self._torn = self._torn or written > 0
            raise
        self._torn = False

    def count(self) -> int:
        """How often it was written to."""
        return self._writes

    def close(self) -> None:
        self.file.close()


def frame(record: SealedRecord) -> bytes:
    try:
        payload = _encode(record)
    except UnicodeEncodeError:
        if hasattr(record, "path"):  # a file would not be found by another name
            raise
        payload = _encode(_spelled_out(msgspec.to_builtins(record)))
    return b"%08x %s\n" % (zlib.crc32(payload), payload)


def _spelled_out(value: Any) -> Any:
    """A value in which what is no character has its number in its place, such as a byte in a name that is no UTF-8."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_spelled_out(key): _spelled_out(inner) for key, inner in value.items()}
    return list(map(_spelled_out, value)) if isinstance(value, (list, tuple)) else value


def unframe(line: bytes) -> SealedRecord:
    """The record of one line without its newline. ValueError if it is damaged or of a kind we do not know."""
    if len(line) < 11 or line[8:9] != b" " or int(line[:8], 16) != zlib.crc32(line[9:]):
        raise ValueError("damaged event line")
    return _decode(line[9:])


def lines(path: str, offset: int, limit: int) -> Iterator[tuple[int, bytes]]:
    """At most `limit` whole lines of a file from `offset` on, each with the offset of what follows it."""
    with open(path, "rb") as file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n") or limit <= 0:
                return
            limit -= 1
            offset += len(line)
            yield offset, line[:-1]
