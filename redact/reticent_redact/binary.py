"""What is secret in a file that is no text: in its bytes, in the strings of a pickle, in the members of a zip archive.

Nothing in it is executed, and nothing is unpacked beyond a bound: an archive that would be larger counts as unscanned.
"""

from __future__ import annotations

import codecs
import contextlib
import gzip
import pickletools
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from reticent_redact import plausible
from reticent_redact.text import REACH, UNSCANNED_RULE, Scanner

CHUNK = 1024 * 1024
MOST_UNPACKED = 4 << 30
"""Bytes that all members of an archive may have together."""

MOST_OPCODES = 2_000_000
_PICKLE = b"\x80"
_GZIP = b"\x1f\x8b"
_LONGEST = 4096
_CONTINUATION = bytes(range(0x80, 0xC0))
"""The bytes that a character of UTF-8 does not begin with."""

Secret = tuple[str, str]
"""The rule that found it, and the secret."""


def secrets(file: BinaryIO, scanner: Scanner, channel: str) -> Iterator[Secret]:
    """The secrets in the content of a file."""
    yield from _in_bytes(file, scanner, channel)
    file.seek(0)
    head = file.read(2)
    file.seek(0)
    if head[:1] == _PICKLE:
        yield from _in_pickle(file, scanner)
    elif head == _GZIP:
        with contextlib.suppress(OSError, EOFError, zlib.error), gzip.GzipFile(fileobj=file) as unpacked:
            yield from _in_bytes(_Bounded(unpacked, MOST_UNPACKED), scanner, channel)
    elif zipfile.is_zipfile(file):
        yield from _in_archive(file, scanner, channel)


class _Unbounded(Exception):  # noqa: N818 - a sign, not an error that anybody sees
    """More was unpacked than may be."""


class _Bounded:
    """What is read of a file, up to `left` bytes."""

    def __init__(self, file: object, left: int) -> None:
        self._read = file.read  # type: ignore[attr-defined]  # GzipFile and ZipExtFile have no common type
        self.left = left

    def read(self, size: int) -> bytes:
        chunk: bytes = self._read(size)
        self.left -= len(chunk)
        if self.left < 0:
            raise _Unbounded
        return chunk

    def seek(self, at: int) -> None:
        assert at == 0  # it is read once, from its start


def _in_archive(file: BinaryIO, scanner: Scanner, channel: str) -> Iterator[Secret]:
    left = MOST_UNPACKED
    try:
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                with archive.open(member) as content:
                    bounded = _Bounded(content, left)
                    yield from _in_bytes(bounded, scanner, channel)
                    left = bounded.left
                if member.filename.endswith(".pkl"):
                    with archive.open(member) as content:
                        yield from _in_pickle(content, scanner)  # type: ignore[arg-type]  # read and readline are there
    except _Unbounded:
        yield UNSCANNED_RULE, ""
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, EOFError, zlib.error):
        pass  # encrypted or broken: its bytes were looked at


def _in_bytes(file: BinaryIO | _Bounded, scanner: Scanner, channel: str) -> Iterator[Secret]:
    before = b""
    file.seek(0)
    while chunk := file.read(CHUNK):
        content = before + chunk
        text = _text(content)
        if text is not None:
            yield from _in_text(text, scanner, channel, keys=True)
        else:
            yield from _in_text(content.decode("latin-1"), scanner, channel, keys=False)
        if b"\0" in content:  # text of two or four bytes a character
            yield from _in_text(content.replace(b"\0", b"").decode("latin-1"), scanner, channel, keys=False)
        before = content[-REACH:]


def _text(content: bytes) -> str | None:
    """A part of a UTF-8 text, cut anywhere; None for anything else."""
    whole = content.lstrip(_CONTINUATION) if content[:1] in _CONTINUATION else content
    with contextlib.suppress(UnicodeDecodeError):
        text = codecs.getincrementaldecoder("utf-8")().decode(whole)
        return None if "\0" in text else text
    return None


def _in_text(text: str, scanner: Scanner, channel: str, *, keys: bool) -> Iterator[Secret]:
    for span in scanner.spans(text, channel, keys=keys):
        yield span.rule, text[span.start : span.end]


def _in_pickle(file: BinaryIO, scanner: Scanner) -> Iterator[Secret]:
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
            if key is not None and text is not None and len(text) <= _LONGEST:
                verdict = scanner.judge(key)
                if verdict is not None and _is_secret(text, verdict.certain):
                    yield verdict.rule, text
            key = text


def _is_secret(value: str, certain: bool) -> bool:
    if certain:
        return not (plausible.says_nothing(value) or plausible.is_code(value))
    return plausible.looks_like_credential(value)
