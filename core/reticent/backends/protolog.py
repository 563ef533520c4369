"""Logs of protobuf messages in the framing of LevelDB's logs, as W&B and SwanLab keep runs.

Messages are encoded and decoded here, by the numbers of their fields, which never change in a `.proto`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from mmap import mmap
from struct import Struct, pack
from zlib import crc32

_BLOCK = 32 << 10
_FRAME = Struct("<IHB")  # checksum, length, kind
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4

_VARINT, _DOUBLE, _BYTES, _FLOAT = 0, 1, 2, 5


def message(*fields: bytes) -> bytes:
    return b"".join(fields)


def integer(number: int, value: int) -> bytes:
    """The field of this number. One that is 0 is left out, as its reader takes it for 0."""
    return _varint(number << 3 | _VARINT) + _varint(value % (1 << 64)) if value else b""


def text(number: int, value: str) -> bytes:
    return part(number, value.encode("utf-8", "replace")) if value else b""


def double(number: int, value: float) -> bytes:
    return _varint(number << 3 | _DOUBLE) + pack("<d", value)


def stamp(number: int, seconds: float) -> bytes:
    """A time as `google.protobuf.Timestamp`."""
    return part(number, integer(1, int(seconds)) + integer(2, int(seconds % 1 * 1e9)))


def part(number: int, value: bytes) -> bytes:
    """A field that is a message of its own, or text as UTF-8."""
    return _varint(number << 3 | _BYTES) + _varint(len(value)) + value


def frames(records: Iterable[bytes], position: int) -> bytes:
    """What to append to a log that has `position` bytes; a record is cut where a block ends."""
    out = bytearray()
    for record in records:
        at = 0
        while True:
            left = _BLOCK - (position + len(out)) % _BLOCK
            if left < _FRAME.size:
                out += bytes(left)
                left = _BLOCK
            end = min(len(record), at + left - _FRAME.size)
            whole = (_FULL if at == 0 else _LAST) if end == len(record) else (_FIRST if at == 0 else _MIDDLE)
            data = record[at:end]
            out += _FRAME.pack(crc32(data, crc32(bytes([whole]))), len(data), whole)
            out += data
            at = end
            if at == len(record):
                break
    return bytes(out)


def records(data: bytes | mmap, header: bytes) -> Generator[bytes, None, int]:
    """The records of a log that begins with a header, up to where it was torn or is damaged, which is returned. ValueError
    if it does not begin so."""
    if data[: len(header)] != header:
        raise ValueError(f"this is no log that begins with {header!r}")
    at, record = len(header), b""
    while True:
        left = _BLOCK - at % _BLOCK
        if left < _FRAME.size:
            at += left
        if at + _FRAME.size > len(data):
            return min(at, len(data))
        checksum, length, kind = _FRAME.unpack_from(data, at)
        piece = data[at + _FRAME.size : at + _FRAME.size + length]
        if len(piece) < length or crc32(piece, crc32(bytes([kind]))) != checksum:
            return at
        record = piece if kind in (_FULL, _FIRST) else record + piece
        if kind in (_FULL, _LAST):
            yield record
        at += _FRAME.size + length


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The number and value of each field of a message: an integer, or bytes (text, a message, a number with a point).
    ValueError if it is none."""
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        kind = tag & 7
        if kind == _VARINT:
            value, at = _read_varint(data, at)
            yield tag >> 3, value
            continue
        if kind == _BYTES:
            length, at = _read_varint(data, at)
        elif kind in (_DOUBLE, _FLOAT):
            length = 8 if kind == _DOUBLE else 4
        else:
            raise ValueError(f"this is no message: a field of the kind {kind}")
        if at + length > len(data):
            raise ValueError("this is no message: it ends in a field")
        yield tag >> 3, data[at : at + length]
        at += length


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    """An integer, and where it ends."""
    value = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("this is no message: it ends in an integer")


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
