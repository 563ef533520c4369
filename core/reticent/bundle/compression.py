"""Compressed files, written by the name's end, read by what they begin with."""

from __future__ import annotations

import gzip
import lzma
import sys
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

from reticent.errors import BundleError, MissingExtraError

ENDINGS = (".tar.zst", ".tar.gz", ".tar.xz")

_MOST_MEMORY = 64 << 20
"""So much a file may ask for to be unpacked: what is packed here asks for less than 10 MB."""
_CHUNK = 1 << 18


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def check_name(path: Path) -> None:
    """BundleError for a name that does not say how to compress, MissingExtraError where that is not installed."""
    if not path.name.endswith(ENDINGS):
        raise BundleError(f"{path.name!r} is no name for a bundle: it has to end in {', '.join(ENDINGS)}")
    if path.name.endswith(".zst"):
        _zstandard()


@contextmanager
def packing(file: BinaryIO, name: str) -> Iterator[BinaryIO]:
    """What is written arrives in `file` compressed as `name` says."""
    if name.endswith(".gz"):
        with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=6, mtime=0) as packed:
            yield cast(BinaryIO, packed)
    elif name.endswith(".xz"):
        with lzma.LZMAFile(file, "wb", preset=6) as packed:
            yield cast(BinaryIO, packed)
    else:
        with _zstandard().ZstdCompressor(level=3, write_checksum=True).stream_writer(file, closefd=False) as packed:
            yield cast(BinaryIO, packed)


def unpacking(file: BinaryIO) -> Readable:
    """What a compressed file holds."""
    start = file.read(6)
    file.seek(0)
    if start.startswith(b"\x28\xb5\x2f\xfd"):
        unpacker = _zstandard().ZstdDecompressor(max_window_size=_MOST_MEMORY)
        unpacked: Readable = unpacker.stream_reader(file, read_across_frames=True)
        return unpacked
    if start.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=file)
    if start.startswith(b"\xfd7zXZ\x00"):
        return _Xz(file)
    raise BundleError("it is no bundle: not a file compressed by zstandard, gzip or xz")


class _Xz:
    """As `lzma.LZMAFile`, which unpacks whatever memory that takes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._unpacker = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MOST_MEMORY)

    def read(self, size: int, /) -> bytes:
        data = b""
        while not data and not self._unpacker.eof:
            packed = self._file.read(_CHUNK) if self._unpacker.needs_input else b""
            if self._unpacker.needs_input and not packed:
                raise EOFError("it is cut off")
            data = self._unpacker.decompress(packed, size)
        return data


def damages() -> tuple[type[Exception], ...]:
    """What is raised by a damaged file, compressed or in the tar."""
    found = (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, tarfile.TarError)
    zstandard = sys.modules.get("zstandard")
    return found if zstandard is None else (*found, zstandard.ZstdError)


def _zstandard() -> Any:
    try:
        import zstandard
    except ImportError:
        raise MissingExtraError(
            "a bundle .tar.zst needs zstandard: pip install 'reticent[zstd]', or have it end in .tar.gz or .tar.xz"
        ) from None
    return zstandard
