"""What is packed in archives and compressed files, and what their headers say. Nothing is written anywhere.

What raises one of `DAMAGED` on being read is cut off, encrypted or damaged.
"""

from __future__ import annotations

import bz2
import contextlib
import functools
import gzip
import importlib
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from reticent_redact.parts import UNREADABLE, Member, Part

DAMAGED = (
    *(OSError, EOFError, RuntimeError, NotImplementedError, ValueError),
    *(zlib.error, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError),
)

_INPUT = 32 * 1024
_INPUT_OF_ZSTANDARD = 512
"""Bytes given to it at a time: it makes up to 32 KiB of each, all at once."""
_LONGEST_NAME = 64 * 1024

_WITHOUT_READER = (
    *(b"\x04\x22\x4d\x18", b"\x02\x21\x4c\x18"),  # lz4
    *(b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"MSCF\0\0\0\0", b"LZIP", b"\x1f\x9d\x90", b"\x89LZO\0\r\n\x1a\n"),
    b"\xff\x06\0\0sNaPpY",
)
"""What files begin with whose compression nothing in Python's library undoes."""


def reader(beginning: bytes) -> Callable[[BinaryIO], Iterator[Part]] | None:
    """What takes apart an archive or a compressed file that begins so; None if it is none, or a zip file."""
    if beginning.startswith(b"\x1f\x8b\x08"):
        return _in_gzip
    if beginning.startswith(b"BZh") and beginning[4:10] in (b"1AY&SY", b"\x17rE8P\x90"):
        return _in_bzip2
    if beginning.startswith(b"\xfd7zXZ\0") or _is_lzma(beginning):
        return _in_lzma
    if beginning.startswith(b"\x28\xb5\x2f\xfd"):
        return _in_zstandard
    if beginning.startswith(_WITHOUT_READER):
        return _without_reader
    if is_zlib(beginning):
        return _in_zlib
    if _is_tar(beginning):
        return _in_tar
    return None


def in_zip(file: BinaryIO) -> Iterator[Part]:
    """The names, comments and members of a zip file."""
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        comments = b"\n".join((archive.comment, *(member.comment for member in members)))
        yield "\n".join((*(member.filename for member in members), comments.decode("utf-8", "replace")))
        for member in members:
            try:
                content = archive.open(member)
            except DAMAGED:
                yield Member(member.filename, None)
                yield UNREADABLE
                continue
            with content:
                yield Member(member.filename, content)  # type: ignore[arg-type]  # it is read, as all others


def inflated(file: BinaryIO) -> BinaryIO:
    """What zlib has compressed, as in files of joblib."""
    return io.BufferedReader(_Restarted(file, lambda: _Inflated(file)))


def is_zlib(beginning: bytes) -> bool:
    """Whether zlib can make something of what begins so: two bytes alone may be anything."""
    if beginning[:1] != b"\x78" or int.from_bytes(beginning[:2], "big") % 31 != 0:
        return False
    with contextlib.suppress(zlib.error):
        return zlib.decompressobj().decompress(beginning, 1) != b""
    return False


def _is_lzma(beginning: bytes) -> bool:
    """Whether a file begins as those of LZMA before xz, which have no magic: by its settings and sizes."""
    dictionary, size = int.from_bytes(beginning[1:5], "little"), int.from_bytes(beginning[5:13], "little")
    is_usual = dictionary >= 4096 and dictionary.bit_count() <= 2
    return beginning[:1] == b"\x5d" and is_usual and (size == (1 << 64) - 1 or 0 < size < 1 << 40)


def _is_tar(beginning: bytes) -> bool:
    with contextlib.suppress(tarfile.TarError, ValueError):
        tarfile.TarInfo.frombuf(beginning[:512], "utf-8", "surrogateescape")  # its checksum holds
        return True
    return False


def _in_gzip(file: BinaryIO) -> Iterator[Part]:
    header = file.read(_LONGEST_NAME)
    flags = header[3] if len(header) > 3 else 0
    texts = header[12 + int.from_bytes(header[10:12], "little") if flags & 4 else 10 :]
    count = (flags & 8 > 0) + (flags & 16 > 0)  # a name, a comment
    told = b"\n".join(texts.split(b"\0", count)[:count]).decode("latin-1")
    yield told
    file.seek(0)
    name = told.partition("\n")[0] if flags & 8 else ""
    yield Member(name, gzip.GzipFile(fileobj=file))  # type: ignore[arg-type]  # a file that is read, as all others


def _in_bzip2(file: BinaryIO) -> Iterator[Part]:
    yield bz2.BZ2File(file)  # type: ignore[misc]  # it is read, as all others


def _in_lzma(file: BinaryIO) -> Iterator[Part]:
    yield lzma.LZMAFile(file)  # type: ignore[misc]  # noqa: SIM115 - it is read, as all others, and holds nothing open


def _in_zlib(file: BinaryIO) -> Iterator[Part]:
    yield inflated(file)


def _without_reader(_: BinaryIO) -> Iterator[Part]:
    yield UNREADABLE


def _in_tar(file: BinaryIO) -> Iterator[Part]:
    with tarfile.open(fileobj=file, mode="r:") as archive:
        for member in archive:
            yield f"{member.name}\n{member.linkname}\n{member.uname}\n{member.gname}"
            if member.pax_headers:
                yield dict(member.pax_headers)
            content = archive.extractfile(member) if member.isreg() else None
            yield Member(member.name, content)  # type: ignore[arg-type]  # as above
        file.seek(archive.offset)
        if file.read(512).strip(b"\0"):
            yield UNREADABLE  # where the next member should begin is something else


def _in_zstandard(file: BinaryIO) -> Iterator[Part]:
    for module, start in (("compression.zstd", _file_of_zstandard), ("zstandard", _FramesOfZstandard)):
        with contextlib.suppress(ImportError):  # Python 3.14's, and the package for all others
            reads = functools.partial(start, importlib.import_module(module), file)
            yield io.BufferedReader(_Restarted(file, reads))
            return
    yield UNREADABLE


def _file_of_zstandard(zstd: Any, file: BinaryIO) -> Any:
    return zstd.ZstdFile(file)


class _FramesOfZstandard:
    """What the package `zstandard` makes of a file, whose own reader does not tell that one is cut off."""

    def __init__(self, zstandard: Any, file: BinaryIO) -> None:
        self._start = zstandard.ZstdDecompressor().decompressobj
        self._frame = self._start()
        self._file = file
        self._content = b""

    def read(self, size: int) -> bytes:
        while not self._content:
            packed = self._frame.unused_data if self._frame.eof else b""
            packed = packed or self._file.read(_INPUT_OF_ZSTANDARD)
            if not packed and not self._frame.eof:
                raise EOFError("what Zstandard has compressed is cut off")
            if not packed:
                return b""
            if self._frame.eof:
                self._frame = self._start()
            self._content = self._frame.decompress(packed)
        content, self._content = self._content[:size], self._content[size:]
        return content


class _Restarted(io.RawIOBase):
    """What a reader gives that cannot go back: `start` makes another one."""

    def __init__(self, file: BinaryIO, start: Callable[[], Any]) -> None:
        self._file = file
        self._start = start
        self.seek(0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, at: int, whence: int = io.SEEK_SET) -> int:
        if (at, whence) != (0, io.SEEK_SET):
            raise io.UnsupportedOperation
        self._file.seek(0)
        self._reader = self._start()
        self._at = 0
        return 0

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        content = self._reader.read(len(buffer))
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)


class _Inflated:
    """What zlib makes of a file."""

    def __init__(self, file: BinaryIO) -> None:
        self._inflater = zlib.decompressobj()
        self._file = file

    def read(self, size: int) -> bytes:
        while not self._inflater.eof:
            more = self._inflater.unconsumed_tail or self._file.read(_INPUT)
            inflated = self._inflater.decompress(more, size)
            if inflated:
                return inflated
            if not more:
                raise EOFError("what zlib has compressed is cut off")
        return b""
