"""Which encoding a text is in: UTF-8, UTF-16 or UTF-32 with or without a byte order mark, or one of those with a byte a
character of which ASCII is a part.

The last are all read as Latin-1: it has a character for every byte, so that what is written back is what was read.
"""

from __future__ import annotations

import codecs
import contextlib
import re
from collections.abc import Iterator
from typing import BinaryIO

CHUNK = 1024 * 1024
_SAMPLE = 4096

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

_NO_TEXT = re.compile("[\0-\x07\x0e-\x1a\x1c-\x1f\x7f]")
"""Control characters that no text has; a console's has ESC and backspace."""

_AROUND = 128
"""Characters on either side of a place that tell whether it is in a text."""

_ENDS = (
    (re.compile("[\x01-\x07\x0e-\x1a\x1c-\x1f\x7f]{2}"), 48),
    (re.compile(r"[^\t\n\r -~]"), 16),
)
"""Where a text ends, and the fewest characters of ASCII in it: it may have a few bytes that are none, or short, not both."""

_ASCII = re.compile("[\0-\x7f]")
_UNPRINTABLE = re.compile("[^ -~]")
_USUAL = re.compile(r"[\w\s.,:;=/\"'()\[\]{}-]", re.ASCII)
_LEAST_USUAL = 0.9
"""Of a text's ASCII; of bytes that come by chance, there are fewer even where all of them can be printed."""

_CONTINUATION = bytes(range(0x80, 0xC0))
"""The bytes that a character of UTF-8 does not begin with."""


def encoding_of(file: BinaryIO) -> str | None:
    """The encoding of a file that is text from beginning to end; None for any other."""
    file.seek(0)
    return next((encoding for encoding in _likely(file.read(_SAMPLE)) if _is_text(file, encoding)), None)


def text_of(content: bytes) -> str | None:
    """A part of a text, cut anywhere (but in UTF-16 and UTF-32 between two characters); None for anything else.

    The NUL characters with which numpy fills up its texts are given as ends of lines.
    """
    whole = content.lstrip(_CONTINUATION) if content[:1] in _CONTINUATION else content
    with contextlib.suppress(UnicodeDecodeError):
        text = codecs.getincrementaldecoder("utf-8")().decode(whole)
        if "\0" not in text:
            return text
    for encoding in _likely(content[:_SAMPLE]):  # half a pair of UTF-16 at the beginning makes it none
        if encoding != "utf-8":
            with contextlib.suppress(UnicodeDecodeError):
                text = codecs.getincrementaldecoder(encoding)().decode(content)
                if encoding.startswith("utf-32"):
                    text = text.replace("\0", "\n")
                if not _NO_TEXT.search(text):
                    return text
    return None


def is_text_around(text: str, at: int) -> bool:
    """Whether there is text around a place in bytes (read as Latin-1, NUL as the end of a line), and not only by chance."""
    before, behind = text[max(0, at - _AROUND) : at], text[at : at + _AROUND]
    for end, fewest in _ENDS:
        around = re.sub(r"\n+", "\n", end.split(before)[-1] + end.split(behind, maxsplit=1)[0])
        ascii_only = len(_ASCII.findall(around))
        if ascii_only >= fewest and len(_USUAL.findall(around)) >= _LEAST_USUAL * ascii_only:
            return True
    return False


def printable_around(text: str, at: int) -> int:
    """How many characters of ASCII that can be printed are in a row around a place, up to 256."""
    before, behind = text[max(0, at - _AROUND) : at], text[at : at + _AROUND]
    return len(_UNPRINTABLE.split(before)[-1] + _UNPRINTABLE.split(behind, maxsplit=1)[0])


def _likely(beginning: bytes) -> Iterator[str]:
    """The encodings that a text beginning so may be in."""
    marked = next((encoding for mark, encoding in _MARKS if beginning.startswith(mark)), None)
    if marked is not None:
        yield marked
    elif b"\0" not in beginning:
        yield "utf-8"
    else:
        # Most of a text is ASCII: which bytes of its characters are zero tells how wide they are.
        zeros = [beginning[at::4].count(0) / max(1, len(beginning[at::4])) for at in range(4)]
        if zeros[2] > 0.9 and zeros[3] == 1:
            yield "utf-32-le"
        elif zeros[0] == 1 and zeros[1] > 0.9:
            yield "utf-32-be"
        elif min(zeros[1::2]) > 0.25 and max(zeros[0::2]) == 0:
            yield "utf-16-le"
        elif min(zeros[0::2]) > 0.25 and max(zeros[1::2]) == 0:
            yield "utf-16-be"
    yield "latin-1"


def _is_text(file: BinaryIO, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    file.seek(0)
    try:
        while chunk := file.read(CHUNK):
            text = decoder.decode(chunk)
            if "\0" in text or (encoding != "utf-8" and _NO_TEXT.search(text)):
                return False
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
