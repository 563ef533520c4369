"""The metric segments: fixed-size records in memory-mapped, reserved files, or appended where a map cannot be trusted.

`write` is the hot path of the whole library: one call into C that holds the interpreter lock, so a record of one thread is
never mixed with another's and no lock of ours is taken.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from mmap import mmap
from pathlib import Path
from struct import Struct

from reticent.files import reserve
from reticent.ownfile import OwnFile, never_close
from reticent.records import METRIC

HEADER = Struct("<4sBBHQ16x")  # magic, version, byte order (0: little), record size, number of the first record
MAGIC = b"RTCM"
VERSION = 1
FIRST_SEGMENT = 64 << 10
LARGEST_SEGMENT = 4 << 20
assert HEADER.size == METRIC.size  # records never straddle a page or a disk block


def segment_name(writer: str, number: int) -> str:
    return f"{writer}.{number:06d}.metrics"


def header(first: int) -> bytes:
    return HEADER.pack(MAGIC, VERSION, 0 if sys.byteorder == "little" else 1, METRIC.size, first)


class MappedSegment:
    """A reserved, mapped file. `write` raises ValueError when it is full or closed."""

    def __init__(self, path: Path, first: int, number: int) -> None:
        size = min(FIRST_SEGMENT << number, LARGEST_SEGMENT)
        self.first = first
        self.file = OwnFile(path, os.O_RDWR | os.O_EXCL)
        try:
            if not reserve(self.file.descriptor(), size):
                raise OSError("the system cannot reserve file space")
            self._map = mmap(self.file.descriptor(), size)
        except BaseException:
            self.file.close()
            path.unlink(missing_ok=True)
            raise
        self._map.write(header(first))
        self.write: Callable[[bytes], object] = self._map.write

    def count(self) -> int:
        return self._map.tell() // METRIC.size - 1

    def close(self) -> int:
        """Give back what was reserved and not used; the number of records that the segment holds."""
        used = self._map.tell()
        self._close_map()
        # A thread may have written between the two lines above; nothing can after them.
        descriptor = self.file.descriptor()
        while any(os.pread(descriptor, METRIC.size, used)):
            used += METRIC.size
        os.ftruncate(descriptor, used)
        self.file.close()
        return used // METRIC.size - 1

    def leave(self) -> None:
        """Close it as it is: the process that it is forked from goes on with it."""
        self._close_map()
        self.file.close()

    def _close_map(self) -> None:
        if self.file.lost():  # and with it the descriptor that the map has for itself, which it would close
            self._map.seek(0, os.SEEK_END)
            never_close(self._map)
        else:
            self._map.close()


class AppendedSegment:
    """A file that grows by `write`: slower, and safe on network file systems and under quotas."""

    def __init__(self, path: Path, first: int, number: int) -> None:  # noqa: ARG002 - the same call as MappedSegment's
        self.first = first
        self.file = OwnFile(path, os.O_RDWR | os.O_APPEND | os.O_EXCL)
        os.write(self.file.descriptor(), header(first))

    def write(self, packed: bytes) -> None:
        """OSError when the disk is full; no part of the record is then left behind."""
        descriptor = self.file.descriptor()
        written = os.write(descriptor, packed)
        if written != len(packed):
            size = os.fstat(descriptor).st_size
            os.ftruncate(descriptor, size - size % METRIC.size)
            raise OSError(28, "the disk took a part of a metric record")

    def count(self) -> int:
        return os.fstat(self.file.descriptor()).st_size // METRIC.size - 1

    def close(self) -> int:
        count = self.count()
        self.file.close()
        return count

    def leave(self) -> None:
        """Close it as it is: the process that it is forked from goes on with it."""
        self.file.close()
