"""Files: text without its secrets, in the encoding that it came in; anything else unchanged or not at all.

The source is copied once, by the kernel, to a private file (on file systems that share blocks the copy shares them).
What is scanned is that copy, so what appears at the target is exactly what was scanned, whatever happens to the source
meanwhile. Memory does not grow with the file.
"""

from __future__ import annotations

import codecs
import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from reticent_redact import encodings
from reticent_redact.text import CONTEXT, REACH, Scanner, Span, replace

if TYPE_CHECKING:
    from pathlib import Path

    from reticent_redact.found import Found

CHUNK = 1024 * 1024
HELD = 4 * 1024 * 1024
"""A secret longer than this in one file is more than we keep in memory to see its end."""


@dataclass(frozen=True)
class SealedFile:
    """What was written: its size, the SHA-256 of its content, whether it is text, the number of secrets masked."""

    size: int
    sha256: str
    text: bool
    redactions: int


@dataclass(frozen=True)
class Withheld:
    """The file was not written, because of this rule."""

    rule: str


class SecretTooLongError(ValueError):
    """A secret whose end is not in sight."""


def seal(
    source: Path, target: Path, scanner: Scanner, found: Found, workspace: Path | None = None
) -> SealedFile | Withheld:
    """Write what of `source` may be seen to `target`; `found` says what stands for each secret, and counts them.

    The copy that is scanned lies in `workspace`, on the same file system as `target`; without one, beside `target`.
    """
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    workspace = workspace or target.parent
    with _private_file(workspace, target.name) as (path, file):
        with open(source, "rb", buffering=0) as original:
            _copy(original, file)
        encoding = text_encoding(file)
        if encoding is None:
            return _seal_binary(path, file, target, found)
        return _seal_text(path, file, encoding, target, scanner, found, workspace)


def text_encoding(file: BinaryIO) -> str | None:
    """The encoding of a file that is text, as `pieces` wants it; None if it is none, or only looks like one."""
    from reticent_redact import onnx, pickles  # not before there is a file

    return None if pickles.is_old(file) or onnx.is_model(file) else encodings.encoding_of(file)


def _seal_text(
    path: Path, file: BinaryIO, encoding: str, target: Path, scanner: Scanner, found: Found, workspace: Path
) -> SealedFile:
    from hashlib import sha256  # OpenSSL: not before there is a file

    digest, is_clean = sha256(), True
    for piece in pieces(file, encoding, scanner, found):
        digest.update(piece.text[piece.start : piece.end].encode(encoding))
        if piece.spans:
            is_clean = False
            found.learn(piece.text, piece.spans)
    if is_clean:
        size = file.tell()
        path.replace(target)
        return SealedFile(size, digest.hexdigest(), text=True, redactions=0)
    with _private_file(workspace, target.name) as (redacted_path, redacted):
        digest, redactions = sha256(), 0
        for piece in pieces(file, encoding, scanner, found):
            spans = [span for span in piece.spans if piece.start < span.end <= piece.end]
            text = replace(piece.text, found.hidden(piece.text, spans, ""), piece.start, piece.end)
            content = (found.settled(text) if spans else text).encode(encoding)
            redactions += len(spans)
            digest.update(content)
            redacted.write(content)
        redacted.flush()
        size = redacted.tell()
        redacted_path.replace(target)
    return SealedFile(size, digest.hexdigest(), text=True, redactions=redactions)


def _seal_binary(path: Path, file: BinaryIO, target: Path, found: Found) -> SealedFile | Withheld:
    from hashlib import sha256

    digest, size = sha256(), 0
    file.seek(0)
    while chunk := file.read(CHUNK):
        digest.update(chunk)
        size += len(chunk)
        found.scanned(len(chunk))
    from reticent_redact import binary  # archives and pickles: not before there is a file that is no text

    for rule in binary.hits(file, found.redactor, found.channel):
        return Withheld(rule)
    path.replace(target)
    return SealedFile(size, digest.hexdigest(), text=False, redactions=0)


@dataclass(frozen=True)
class Piece:
    """A part of a text file, `text[start:end]`, and the secrets in the text around it."""

    text: str
    start: int
    end: int
    spans: list[Span]


def pieces(file: BinaryIO, encoding: str, scanner: Scanner, found: Found) -> Iterator[Piece]:
    """The text of a file, piece by piece.

    A piece is passed on when everything that could make a secret of it has been seen: `REACH` characters after it. The
    last `CONTEXT` characters passed on are looked at again with the next piece, for what stands before a secret.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    context = held = ""
    file.seek(0)
    last = False
    while not last:
        chunk = file.read(CHUNK)
        last = not chunk
        text = context + held + decoder.decode(chunk, final=last)
        spans = scanner.spans(text, found.channel)
        done = len(text) if last else _decided(text, spans, len(context))
        found.scanned(len(chunk))
        yield Piece(text, len(context), done, spans)
        context, held = text[_beginning_of_word(text, done - CONTEXT) : done], text[done:]
        if len(held) > HELD:
            raise SecretTooLongError


def _decided(text: str, spans: list[Span], start: int) -> int:
    """Up to where nothing that follows can change what is a secret, at the end of a line if there is one."""
    limit = len(text) - REACH
    if limit <= start:
        return start
    limit = max(start, text.rfind("\n", start, limit) + 1) or limit
    for span in spans:
        if span.start < limit < span.end:
            still_open = span.end > len(text) - CONTEXT
            return max(start, span.start) if still_open else span.end
    return limit


def _beginning_of_word(text: str, at: int) -> int:
    """Where to begin near `at`, so that half a word is not taken for a key of its own."""
    if at <= 0:
        return 0
    earliest = max(0, at - CONTEXT)
    return max(text.rfind(" ", earliest, at), text.rfind("\n", earliest, at), earliest - 1) + 1


@contextlib.contextmanager
def _private_file(directory: Path, name: str) -> Iterator[tuple[Path, BinaryIO]]:
    """A new file, mode 0600, removed at the end unless it was renamed."""
    path = directory / f".{name[:100]}.{os.urandom(16).hex()}"
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    try:
        with os.fdopen(os.open(path, flags, 0o600), "w+b") as file:
            yield path, file
    finally:
        path.unlink(missing_ok=True)


def _copy(source: BinaryIO, target: BinaryIO) -> None:
    with contextlib.suppress(OSError, AttributeError):  # another file system or system: the loop below does all of it
        while os.copy_file_range(source.fileno(), target.fileno(), 1 << 30):
            pass
    while chunk := source.read(CHUNK):
        target.write(chunk)
    target.flush()
