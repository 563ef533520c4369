"""What is secret in a file that is no text: in its bytes, in the strings of a pickle, in what is packed in it.

Nothing in it is executed, and nothing is unpacked beyond a bound: what would be larger, or is packed more often, counts as
unscanned.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import pickletools
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

from reticent_redact import encodings, plausible
from reticent_redact.text import REACH, UNSCANNED_RULE, Scanner

CHUNK = 1024 * 1024
MOST_UNPACKED = 4 << 30
"""Bytes that all that is packed in a file may have together."""

DEEPEST = 4
"""So often may something be packed in something packed."""

MOST_OPCODES = 2_000_000
_LONGEST = 4096
_INPUT = 32 * 1024

_PICKLE = b"\x80"
_OLD_PICKLE = [bytes([code]) for code in b"(]}lcdtVSIFLN"]
"""What a pickle of protocol 0 begins with; all of it is text."""
_PNG = b"\x89PNG\r\n\x1a\n"
_COMPRESSED_TEXTS = (b"zTXt", b"iTXt", b"iCCP")
_TAR_MAGIC = slice(257, 262)

_DAMAGED = (
    *(OSError, EOFError, RuntimeError, NotImplementedError, ValueError),
    *(zlib.error, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError),
)
"""What unpacking raises for what is encrypted, cut off or no archive at all: its bytes were looked at."""

Secret = tuple[str, str]
"""The rule that found it, and the secret."""


def secrets(file: BinaryIO, scanner: Scanner, channel: str) -> Iterator[Secret]:
    """The secrets in the content of a file."""
    try:
        yield from _in_content(file, scanner, channel, _Budget(MOST_UNPACKED), 0)
    except _UnboundedError:
        yield UNSCANNED_RULE, ""


def is_old_pickle(file: BinaryIO) -> bool:
    """Whether a file is a pickle of protocol 0, which looks like text."""
    file.seek(0)
    if file.read(1) not in _OLD_PICKLE:
        return False
    file.seek(0)
    try:  # what is no pickle ends at its first word
        return all(opcode.proto <= 1 for opcode, _, _ in pickletools.genops(file)) and not file.read(1)
    except Exception:  # noqa: BLE001 - whatever it says of what is no pickle
        return False


class _UnboundedError(Exception):
    """More was unpacked than may be."""


class _Budget:
    def __init__(self, left: int) -> None:
        self.left = left


class _Bounded:
    """What is read of a file that is packed in another one, on account of a budget."""

    def __init__(self, file: BinaryIO, budget: _Budget) -> None:
        self._file = file
        self._budget = budget

    def read(self, size: int) -> bytes:
        chunk = self._file.read(size)
        self._budget.left -= len(chunk)
        if self._budget.left < 0:
            raise _UnboundedError
        return chunk

    def seek(self, at: int) -> None:
        self._file.seek(at)


def _in_content(file: BinaryIO, scanner: Scanner, channel: str, budget: _Budget, depth: int) -> Iterator[Secret]:
    yield from _in_bytes(file if depth == 0 else _Bounded(file, budget), scanner, channel)
    file.seek(0)
    beginning = file.read(512)
    file.seek(0)
    if beginning[:1] == _PICKLE or is_old_pickle(file):
        file.seek(0)
        yield from _in_pickle(file, scanner, channel)
        return
    with contextlib.suppress(*_DAMAGED):
        for packed in _unpacked(file, beginning):
            if depth == DEEPEST:
                raise _UnboundedError
            with contextlib.suppress(*_DAMAGED):
                yield from _in_content(packed, scanner, channel, budget, depth + 1)


def _unpacked(file: BinaryIO, beginning: bytes) -> Iterator[Any]:
    """What is packed in a file, as files that can be read once more from their beginnings."""
    file.seek(0)
    if beginning.startswith(b"\x1f\x8b"):
        yield gzip.GzipFile(fileobj=file)
    elif beginning.startswith(b"BZh"):
        yield bz2.BZ2File(file)
    elif beginning.startswith(b"\xfd7zXZ\0"):
        yield lzma.LZMAFile(file)  # noqa: SIM115 - it holds nothing open that is its own
    elif beginning[:1] == b"\x78" and int.from_bytes(beginning[:2], "big") % 31 == 0:
        yield io.BufferedReader(_Inflated(file))
    elif beginning.startswith(_PNG):
        yield from _texts_of_picture(file)
    elif beginning[_TAR_MAGIC] == b"ustar":
        with tarfile.open(fileobj=file, mode="r:") as archive:
            yield from filter(None, map(archive.extractfile, archive))
    elif zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as members:
            for member in members.infolist():
                with contextlib.suppress(*_DAMAGED), members.open(member) as content:
                    yield content


class _Inflated(io.RawIOBase):
    """What zlib has compressed, as in files of joblib."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek(0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, at: int, whence: int = io.SEEK_SET) -> int:
        if (at, whence) != (0, io.SEEK_SET):
            raise io.UnsupportedOperation
        self._file.seek(0)
        self._inflater = zlib.decompressobj()
        self._at = 0
        return 0

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        while not self._inflater.eof:
            more = self._inflater.unconsumed_tail or self._file.read(_INPUT)
            inflated = self._inflater.decompress(more, len(buffer))
            if inflated or not more:
                buffer[: len(inflated)] = inflated
                self._at += len(inflated)
                return len(inflated)
        return 0


def _texts_of_picture(file: BinaryIO) -> Iterator[io.BufferedReader]:
    """What is compressed in the chunks of a PNG picture that hold text."""
    at = len(_PNG)
    while True:
        file.seek(at)
        size, kind = int.from_bytes(file.read(4), "big"), file.read(4)
        if len(kind) < 4:
            return
        at += size + 12
        if kind in _COMPRESSED_TEXTS and size <= CHUNK:
            chunk = file.read(size)
            for start in (place for place in range(len(chunk)) if chunk[place] == 0x78):
                with contextlib.suppress(zlib.error):
                    zlib.decompressobj().decompress(chunk[start:], 1)
                    yield io.BufferedReader(_Inflated(io.BytesIO(chunk[start:])))


def _in_bytes(file: BinaryIO | _Bounded, scanner: Scanner, channel: str) -> Iterator[Secret]:
    before = b""
    file.seek(0)
    while chunk := file.read(CHUNK):
        content = before + chunk
        text = encodings.text_of(content)
        if text is not None:
            yield from _in_text(text, scanner, channel, keys=True)
        else:
            yield from _in_text(content.decode("latin-1"), scanner, channel, keys=False)
        if b"\0" in content:  # text of two or four bytes a character
            yield from _in_text(content.replace(b"\0", b"").decode("latin-1"), scanner, channel, keys=False)
        before = content[-REACH:]


def _in_text(text: str, scanner: Scanner, channel: str, *, keys: bool) -> Iterator[Secret]:
    for span in scanner.spans(text, channel, keys=keys):
        yield span.rule, text[span.start : span.end]


def _in_pickle(file: BinaryIO, scanner: Scanner, channel: str) -> Iterator[Secret]:
    """The values of secret keys: in a pickle, a key of a dict or an object and its value are strings that follow each
    other."""
    key: str | None = None
    with contextlib.suppress(Exception):  # what is not a pickle, or a damaged one, has been looked at as bytes
        for number, (opcode, argument, _) in enumerate(pickletools.genops(file)):
            if number > MOST_OPCODES:
                return
            if "MEMO" in opcode.name or "PUT" in opcode.name or "FRAME" in opcode.name:
                continue
            text = (
                argument
                if isinstance(argument, str) and opcode.name.endswith(("UNICODE", "UNICODE8", "STRING"))
                else None
            )
            if (
                text is not None and opcode.proto == 0
            ):  # its line begins with a letter of the pickle's, not of the text's
                yield from _in_text(text, scanner, channel, keys=True)
            if key is not None and text is not None and len(text) <= _LONGEST:
                verdict = scanner.judge(key)
                if verdict is not None and _is_secret(text, verdict.certain):
                    yield verdict.rule, text
            key = text


def _is_secret(value: str, certain: bool) -> bool:
    if certain:
        return not (plausible.says_nothing(value) or plausible.is_code(value))
    return plausible.looks_like_credential(value)
