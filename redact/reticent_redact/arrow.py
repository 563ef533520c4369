"""The texts in buffers of Arrow, where one follows the other and another buffer says where each begins.

Of a file or stream (Feather, the cache of `datasets`) no more is read than where its buffers are: two of them that fit each
other are an array of texts, whatever the schema calls it.
"""

from __future__ import annotations

import io
import struct
import sys
from array import array
from collections.abc import Iterator
from itertools import pairwise
from typing import BinaryIO

from reticent_redact.parts import LARGEST, UNREADABLE, Part

MAGIC = b"ARROW1\0\0"
_GOES_ON = b"\xff\xff\xff\xff"
_LARGEST_HEAD = 16 * 1024 * 1024
_PADDED_TO = 64
_SCHEMA, _DICTIONARY, _BATCH = 1, 2, 3


def begins(beginning: bytes) -> bool:
    """Whether something begins as a file of Arrow, or as a stream: with its schema."""
    if beginning.startswith(MAGIC):
        return True
    if not beginning.startswith(_GOES_ON):
        return False
    try:
        message = _Table.root(beginning[8:])
        return message.number(1, "<B") == _SCHEMA and message.number(0, "<h") <= 4  # the version of the format
    except struct.error:
        return False


def parts(file: BinaryIO) -> Iterator[Part]:
    """The texts of each array that is not compressed, each on a line of its own."""
    beginning = file.read(8)
    if beginning != MAGIC:
        file.seek(0)
    try:
        while head := _head(file):
            message = _Table.root(head)
            start, size = file.tell(), message.number(3, "<q")
            if size < 0 or size > LARGEST:
                yield UNREADABLE
                return
            kind = message.number(1, "<B")
            if kind in (_BATCH, _DICTIONARY):
                batch = message.table(2) if kind == _BATCH else message.table(2).table(1)
                yield from _in_batch(batch, file.read(size))
            file.seek(start + size)
    except struct.error:
        yield UNREADABLE


def ends(places: bytes, width: int, size: int, start: int = 0) -> array[int] | None:
    """Where the texts begin and end in a buffer of this size, by the numbers of `width` bytes in `places` from number
    `start` on; None if they do not fit it."""
    found = array("i" if width == 4 else "q", places[: len(places) // width * width])
    if sys.byteorder == "big":
        found.byteswap()
    del found[:start]
    falls = next((at for at, (one, next_) in enumerate(pairwise(found), 1) if next_ < one), len(found))
    if len(found) < 2 or found[0] < 0 or len(found) - falls >= _PADDED_TO // width or any(found[falls:]):
        return None
    del found[falls:]
    return found if 0 < found[-1] <= size else None


def lines(content: bytes, places: array[int]) -> bytes:
    """The texts, each on a line of its own."""
    found = bytearray()
    for at, end in pairwise(places):
        found += content[at:end] + b"\n"
    return bytes(found)


def _head(file: BinaryIO) -> bytes:
    """What describes the next message; nothing at the end."""
    size = file.read(4)
    if size == _GOES_ON:
        size = file.read(4)
    length = int.from_bytes(size, "little")
    head = file.read(min(length, _LARGEST_HEAD))
    if len(head) < length:
        raise struct.error
    return head


def _in_batch(batch: _Table, body: bytes) -> Iterator[Part]:
    if batch.has(3):  # compressed
        return
    buffers = batch.pairs(2)
    if any(at < 0 or size < 0 for at, size in buffers) or sum(size for _, size in buffers) > len(body):
        raise struct.error
    for (at, size), (start, length) in pairwise(buffers):
        found = (ends(body[at : at + size], width, length) for width in (4, 8))
        places = next((places for places in found if places is not None), None)
        if places is not None:
            yield io.BytesIO(lines(body[start : start + length], places))


class _Table:
    """A table of FlatBuffers: a place in bytes, and where in it its fields are. struct.error if it is none."""

    def __init__(self, content: bytes, at: int) -> None:
        self._content, self._at = content, at
        self._fields = at - self._read("<i", at)
        self._count = (self._read("<H", self._fields) - 4) // 2

    @classmethod
    def root(cls, content: bytes) -> _Table:
        return cls(content, struct.unpack_from("<I", content)[0])

    def has(self, field: int) -> bool:
        return field < self._count and self._offset(field) > 0

    def number(self, field: int, layout: str) -> int:
        return self._read(layout, self._at + self._offset(field)) if self.has(field) else 0

    def table(self, field: int) -> _Table:
        return _Table(self._content, self._target(field))

    def pairs(self, field: int) -> list[tuple[int, int]]:
        """A vector of two long numbers each."""
        if not self.has(field):
            return []
        at = self._target(field)
        numbers = struct.unpack_from(f"<{2 * self._read('<I', at)}q", self._content, at + 4)
        return list(zip(numbers[::2], numbers[1::2], strict=True))

    def _target(self, field: int) -> int:
        at = self._at + self._offset(field)
        return at + self._read("<I", at)

    def _offset(self, field: int) -> int:
        return self._read("<H", self._fields + 4 + 2 * field)

    def _read(self, layout: str, at: int) -> int:
        if at < 0:
            raise struct.error
        return int(struct.unpack_from(layout, self._content, at)[0])
