"""What is secret in a file that is no text: in its bytes, and in the texts, structures and files that it falls into.

Nothing in it is executed, and nothing is unpacked beyond a bound: what would be larger, is packed more often or cannot be
read counts as unscanned.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from reticent_redact import archives, encodings, formats, names, pickles
from reticent_redact.found import Found
from reticent_redact.parts import UNREADABLE, Member, Part, Unreadable
from reticent_redact.rules import personal
from reticent_redact.structure import Walk
from reticent_redact.text import REACH, UNSCANNED_RULE

if TYPE_CHECKING:
    from reticent_redact.names import Verdict
    from reticent_redact.redactor import Redactor
    from reticent_redact.text import Span

CHUNK = 1024 * 1024
MOST_UNPACKED = 4 << 30
"""Bytes that all that is packed in a file may have together."""

DEEPEST = 4
"""So often may something be packed in something packed."""

MOST_ITEMS = 10_000_000
"""Items of a structure in a file, of which it may have more than a param."""

_DEEP = 12
"""Containers in each other that are walked through at once; what is in them comes later."""

_NULS = b"\0\0\0\0"
"""More than there are between two characters, in any encoding."""

_NUL_AS_LINE_END = bytes.maketrans(b"\0", b"\n")

SHORTEST_KEY = 4
"""`pw=` stands in every few megabytes of a model's numbers."""

_SHORTEST = {"email": 12}
"""What bytes that are no text look like everywhere, if it is shorter."""

_LONG_ADDRESS = 16
"""One as long does not come by chance."""

_CAPITAL_INSIDE = re.compile("[A-Za-z][A-Z]")
"""In an address that stands once in a gigabyte of a model's numbers; hardly in one that somebody has written."""

_LEAST_PRINTABLE = 12
"""Characters of a connection string in a row. Of small numbers, most have `;` or `=` for their last byte, so that `;Pwd=` is
once in a gigabyte of them, but hardly ever (of 200 times) in a row of so many."""

_PHONES = frozenset({"phone-e164", "phone-us", "phone-national"})
_PERSONAL = frozenset(rule.id for rule in personal.RULES)
"""What a row of small numbers is likely to look like somewhere, once their zero bytes are left out: digits."""


def hits(file: BinaryIO, redactor: Redactor, channel: str) -> Iterator[str]:
    """The rules by which something in the content of a file has to be hidden."""
    look = _Look(redactor, channel)
    try:
        yield from look.into(file, 0)
    except _UnboundedError:
        look.is_complete = False
    if not look.is_complete:
        yield UNSCANNED_RULE


class _UnboundedError(Exception):
    """More was unpacked than may be."""


class _Look:
    """A look into one file on behalf of a redactor. `is_complete` tells whether all of it could be looked at."""

    def __init__(self, redactor: Redactor, channel: str) -> None:
        self.is_complete = True
        self._redactor = redactor
        self._channel = channel
        self._left = MOST_UNPACKED

    def into(self, file: BinaryIO, depth: int, key: str = "") -> Iterator[str]:
        """The rules that hit in a file, which is packed `depth` times, under a key if it is one's value."""
        yield from self._in_bytes(file, key, is_packed=depth > 0)
        try:
            for part in _parts(file):
                if isinstance(part, Unreadable):
                    self.is_complete = False
                elif isinstance(part, str):
                    yield from self._in_text(part)
                elif isinstance(part, Member):
                    yield from self._in_member(part, depth)
                elif isinstance(part, (list, dict)):
                    yield from self._in_structure({key: part} if key else part)
                else:
                    yield from self._in_part(part, depth, key)
        except archives.DAMAGED:
            self.is_complete = False

    def _in_member(self, member: Member, depth: int) -> Iterator[str]:
        if self._redactor.is_secret_file(member.name):
            yield names.SECRET_FILE
        if member.content is None:
            return
        yield from self._in_part(member.content, depth)
        key = member.name.removesuffix(".npy")
        if key != member.name and self._redactor.judge(key) is not None:  # what `numpy.savez` was given as an argument
            for part in _parts(member.content):
                if isinstance(part, (list, dict)):
                    yield from self._in_structure({key: part})
                elif isinstance(part, io.BytesIO):
                    yield from self._in_part(part, depth + 1, key)

    def _in_part(self, part: BinaryIO, around: int, key: str = "") -> Iterator[str]:
        if around >= DEEPEST:
            raise _UnboundedError
        try:
            yield from self.into(part, around + 1, key)
        except archives.DAMAGED:
            self.is_complete = False

    def _in_bytes(self, file: BinaryIO, key: str, *, is_packed: bool) -> Iterator[str]:
        before = b""
        file.seek(0)
        while chunk := file.read(CHUNK):
            if is_packed:
                self._left -= len(chunk)
                if self._left < 0:
                    raise _UnboundedError
            content = before + chunk
            text = encodings.text_of(content)
            if text is not None:
                yield from self._in_text(text)
                if key:
                    yield from self._in_structure({key: text.split("\n")})
            if text is None or b"\0" in content:
                yield from self._in_noise(content, _PHONES)
            if b"\0" in content:  # not all of it need be text of two or four bytes a character
                yield from self._in_noise(content.replace(_NULS, b"\n").translate(None, b"\0"), _PERSONAL)
            before = content[-REACH:]

    def _in_text(self, text: str) -> Iterator[str]:
        for span in self._redactor.scanner.spans(text, self._channel):
            if self._hides(span.rule, span.key, text[span.start : span.end]):
                yield span.rule

    def _in_noise(self, content: bytes, by_chance: frozenset[str]) -> Iterator[str]:
        """In bytes that are no text, or not from beginning to end: a key counts where there is text around it, and what
        numbers look like `by_chance` does not."""
        scanner = self._redactor.scanner.without(by_chance)
        text = content.translate(_NUL_AS_LINE_END).decode("latin-1")
        spans = scanner.spans(text, self._channel)
        by_key = [span for span in spans if span.rule in names.RULES]
        if by_key:  # they may cover what was found without one
            spans = [
                span for span in by_key if len(span.key) >= SHORTEST_KEY and encodings.is_text_around(text, span.start)
            ]
            spans += scanner.spans(text, self._channel, keys=False)
        for span in spans:
            if span.end - span.start < _SHORTEST.get(span.rule, 0):
                continue
            if _may_be_numbers(text, span) and not encodings.is_text_around(text, span.start):
                continue
            if self._hides(span.rule, span.key, text[span.start : span.end]):
                yield span.rule

    def _hides(self, rule: str, path: str, secret: str) -> bool:
        return self._redactor.action(rule, self._channel, path, secret) != "keep"

    def _in_structure(self, structure: list[Any] | dict[Any, Any]) -> Iterator[str]:
        found = Found(self._redactor, self._channel, None)
        _WalkOnce(self._redactor, found).through(structure)
        for rule, action in found.counts:
            if rule == UNSCANNED_RULE:
                self.is_complete = False
            elif action != "keep":
                yield rule


def _may_be_numbers(text: str, span: Span) -> bool:
    """Whether numbers may read so by chance, once in a gigabyte."""
    if span.rule == "dsn-password":
        return encodings.printable_around(text, span.start) < _LEAST_PRINTABLE
    is_short = span.rule == "email" and span.end - span.start < _LONG_ADDRESS
    return is_short and _CAPITAL_INSIDE.search(text, span.start, span.end) is not None


class _WalkOnce(Walk):
    """A walk through a structure of any depth, in which things may contain themselves: each of them is passed once."""

    def __init__(self, redactor: Redactor, found: Found) -> None:
        super().__init__(redactor, found)
        self._nodes = MOST_ITEMS
        self._later: list[tuple[Any, Verdict | None, str]] = []
        self._passed: dict[tuple[int, Verdict | None], Any] = {}
        """What was passed under which verdict; kept, so that nothing else gets its id."""

    def through(self, structure: Any) -> None:
        self._later.append((structure, None, ""))
        while self._later:
            super().plain(*self._later.pop())

    def plain(self, value: Any, verdict: Verdict | None, path: str) -> Any:
        if isinstance(value, (list, dict, tuple)):
            if (id(value), verdict) in self._passed:
                return None
            self._passed[id(value), verdict] = value
            if len(self._around) >= _DEEP:
                self._later.append((value, verdict, path.rpartition(".")[2]))
                return None
        return super().plain(value, verdict, path)


def _parts(file: BinaryIO) -> Iterator[Part]:
    """What a file falls into."""
    file.seek(0)
    beginning = file.read(512)
    if pickles.begins(beginning) or pickles.is_old(file):
        yield from pickles.parts(file, formats.is_file)
        return
    taking_apart = archives.reader(beginning) or formats.reader(beginning)
    file.seek(0)
    if taking_apart is not None:
        yield from taking_apart(file)
    elif zipfile.is_zipfile(file):
        yield from archives.in_zip(file)
    elif beginning.startswith(b"PK\x03\x04"):
        yield UNREADABLE  # its end, where its contents are listed, is missing
