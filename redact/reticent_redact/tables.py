"""The values in a column of delimited text whose header names a secret: `user,password` and the lines under it."""

from __future__ import annotations

import re
from collections.abc import Iterator

_DELIMITERS = ",;\t|"
_LONGEST = 2048
"""Characters of a line."""
_REACH = 32 * 1024
_FIELD = re.compile(r"""\s?["']?[A-Za-z_][\w .#/()-]{0,64}["']?[ \r]?""")
_VALUE = {
    delimiter: re.compile(
        rf'"(?:[^"\n]|""){{0,1024}}"(?=[{re.escape(delimiter)}\r]|\Z)|[^{re.escape(delimiter)}\n]{{0,1024}}'
    )
    for delimiter in _DELIMITERS
}


def column(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The places of the values under the name that stands at `text[start:end]`, if that is one of a header's.

    As far as the lines under it have as many fields as it has.
    """
    quoted = text[end : end + 1] in ('"', "'")
    delimiter = _around(text, start - quoted, end + quoted)
    if delimiter is None:
        return
    begin = text.rfind("\n", max(0, start - _LONGEST), start) + 1
    line_end = text.find("\n", end, begin + _LONGEST)
    if line_end < 0 or start - begin > _LONGEST:
        return
    names = text[begin:line_end].split(delimiter)
    if len(names) < 2 or not all(map(_FIELD.fullmatch, names)):
        return
    number = text.count(delimiter, begin, start)
    at, limit = line_end + 1, min(len(text), line_end + _REACH)
    while at < limit:
        line_end = text.find("\n", at, at + 4 * _LONGEST)
        line_end = line_end if line_end >= 0 else len(text)
        place = _place(text, at, min(line_end, at + 4 * _LONGEST), delimiter, number, len(names))
        if place is None:
            return
        yield place
        at = line_end + 1


def _around(text: str, start: int, end: int) -> str | None:
    """The delimiter that stands before and behind a name, or on the one side of it where the other is the line's end."""
    before = text[start - 1] if start > 0 else "\n"
    behind = text[end : end + 1] or "\n"
    behind = "\n" if behind == "\r" else behind
    sides = {before, behind} - {"\n"}
    return sides.pop() if len(sides) == 1 and sides <= set(_DELIMITERS) else None


def _place(text: str, at: int, end: int, delimiter: str, number: int, count: int) -> tuple[int, int] | None:
    """Where the field with this number stands in the line; None if the line has not `count` fields."""
    found, fields = None, 0
    value = _VALUE[delimiter]
    while True:
        field = value.match(text, at, end)
        if field is None:
            return None
        if fields == number:
            quoted = field[0][:1] == '"' and len(field[0]) > 1
            found = field.start() + quoted, field.end() - quoted - field[0].endswith("\r")
        fields += 1
        at = field.end()
        if at >= end or text[at] == "\r":
            return found if fields == count else None
        if text[at] != delimiter:
            return None
        at += 1
