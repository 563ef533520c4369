"""Logs of protobuf messages in the framing of LevelDB's logs, as W&B and SwanLab keep runs.

Messages are encoded here, by the numbers of their fields, which never change in a `.proto`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from struct import Struct, pack
from zlib import crc32

_BLOCK = 32 << 10
_FRAME = Struct("<IHB")  # checksum, length, kind
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4

_VARINT, _DOUBLE, _BYTES = 0, 1, 2


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


def records(data: bytes, header: bytes) -> Iterator[bytes]:
    """The records of a log that begins with a header, up to where it was torn or is damaged. ValueError if it does not."""
    if not data.startswith(header):
        raise ValueError(f"this is no log that begins with {header!r}")
    at, record = len(header), b""
    while True:
        left = _BLOCK - at % _BLOCK
        if left < _FRAME.size:
            at += left
        if at + _FRAME.size > len(data):
            return
        checksum, length, kind = _FRAME.unpack_from(data, at)
        piece = data[at + _FRAME.size : at + _FRAME.size + length]
        if len(piece) < length or crc32(piece, crc32(bytes([kind]))) != checksum:
            return
        record = piece if kind in (_FULL, _FIRST) else record + piece
        if kind in (_FULL, _LAST):
            yield record
        at += _FRAME.size + length


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
