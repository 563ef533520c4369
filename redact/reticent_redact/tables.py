"""The values in the columns of a table in text: delimited, as Markdown and databases draw it, of HTML, and of JSON.

All columns of a table are gone through together, as far as the rows under its header have as many fields as it has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import chain, pairwise
from typing import NamedTuple, TypeAlias

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

_BAR = re.compile("[|\u2502\u2506\u2503\u2551]")
"""What stands between the columns of a table that is drawn."""
_RULE, _NO_RULE = re.compile("[-=\u2500\u2501\u2550]{2}"), re.compile(r"[\w\"']")
"""What a line of such a table has that has no values, and what it has not."""

_ROW_OF_HTML = re.compile(r"<(?:(?P<end>/table)|tr[\s>])", re.IGNORECASE)
_CELL_OF_HTML = re.compile(r"<t[hd](?:\s[^<>]{0,256})?>(?P<value>[^<]{0,1024})(?=<)", re.IGNORECASE)

_COLUMNS_OF_JSON = re.compile(r"""["'](?:columns|column_names|headers?)["']\s{0,8}:\s{0,8}\[""")
_ROWS_OF_JSON = re.compile(r"""["'](?:data|rows|values)["']\s{0,8}:\s{0,8}\[(?=\s{0,64}\[)""")
_ITEM_OF_JSON = re.compile(
    r"""\s{0,64}(?:(?P<mark>["'])(?P<text>(?:[^"'\\\n]|\\.|(?!(?P=mark))["']){0,1024})(?P=mark)|(?P<bare>[\w.+-]{1,64}))"""
    r"\s{0,64}(?P<behind>[,\]])"
)
_NEXT_OF_JSON = re.compile(r"[\s,]{0,64}\[")

Place: TypeAlias = tuple[int, int]


class Cell(NamedTuple):
    """Where a value stands, and the name of its column."""

    start: int
    end: int
    name: str


def cells(text: str, start: int, end: int, is_wanted: Callable[[str], bool]) -> Iterator[Cell]:
    """The values under the wanted names of the header in which a name stands at `text[start:end]`, if it is in one's."""
    for layout in (_delimited, _drawn, _of_html, _of_json):
        header, rows = layout(text, start, end)
        if header:
            names = [text[slice(*place)].strip(" \r\"'`") for place in header]
            wanted = [number for number, name in enumerate(names) if is_wanted(name)]
            if wanted and header[wanted[0]][1] <= start:
                return  # all was found by the first of them
            for row in rows:
                if len(row) != len(names):
                    return
                yield from (Cell(*row[number], names[number]) for number in wanted)
            return


_Table: TypeAlias = tuple[list[Place], Iterator[list[Place]]]
"""The places of the names, and for each row of the values; no names if it is no table."""
_NONE: _Table = [], iter(())


def _line_around(text: str, start: int, end: int) -> Place | None:
    begin = text.rfind("\n", max(0, start - _LONGEST), start) + 1
    line_end = text.find("\n", end, begin + _LONGEST)
    return None if line_end < 0 or start - begin > _LONGEST else (begin, line_end)


def _lines(text: str, at: int) -> Iterator[Place]:
    limit = min(len(text), at + _REACH)
    while at < limit:
        line_end = text.find("\n", at, at + 4 * _LONGEST)
        line_end = line_end if line_end >= 0 else len(text)
        yield at, min(line_end, at + 4 * _LONGEST)
        at = line_end + 1


def _delimited(text: str, start: int, end: int) -> _Table:
    quoted = text[end : end + 1] in ('"', "'")
    delimiter = _around(text, start - quoted, end + quoted)
    line = _line_around(text, start, end) if delimiter else None
    if delimiter is None or line is None:
        return _NONE
    header = _fields(text, *line, delimiter)
    # The first may have no name: it is the index of a table of pandas.
    if len(header) < 2 or not all(
        _FIELD.fullmatch(text, *place) for number, place in enumerate(header) if number or place[0] < place[1]
    ):
        return _NONE
    return header, (_fields(text, *row, delimiter) for row in _lines(text, line[1] + 1))


def _around(text: str, start: int, end: int) -> str | None:
    """The delimiter that stands before and behind a name, or on the one side of it where the other is the line's end."""
    before = text[start - 1] if start > 0 else "\n"
    behind = text[end : end + 1] or "\n"
    behind = "\n" if behind == "\r" else behind
    sides = {before, behind} - {"\n"}
    return sides.pop() if len(sides) == 1 and sides <= set(_DELIMITERS) else None


def _fields(text: str, at: int, end: int, delimiter: str) -> list[Place]:
    """Where the fields stand in a line; none if it is no line of such a table."""
    found: list[Place] = []
    value = _VALUE[delimiter]
    while True:
        field = value.match(text, at, end)
        if field is None:
            return []
        quoted = field[0][:1] == '"' and len(field[0]) > 1
        found.append((field.start() + quoted, field.end() - quoted - field[0].endswith("\r")))
        at = field.end()
        if at >= end or text[at] == "\r":
            return found
        if text[at] != delimiter:
            return []
        at += 1


def _drawn(text: str, start: int, end: int) -> _Table:
    line = _line_around(text, start, end)
    if line is None or not _BAR.search(text, *line):
        return _NONE
    rows = _lines(text, line[1] + 1)
    ruled = next(rows, None)
    if ruled is None or not (_is_rule(text, *ruled) or "\u2506" in text[slice(*line)]):
        return _NONE
    return _barred(text, *line), (_barred(text, *row) for row in rows if not _is_rule(text, *row))


def _is_rule(text: str, start: int, end: int) -> bool:
    return _RULE.search(text, start, end) is not None and _NO_RULE.search(text, start, end) is None


def _barred(text: str, start: int, end: int) -> list[Place]:
    bars = [match.start() for match in _BAR.finditer(text, start, end)]
    return [_trimmed(text, one + 1, other) for one, other in pairwise([start - 1, *bars, end])]


def _trimmed(text: str, start: int, end: int) -> Place:
    """Without the space around a value, and its quotes."""
    value = text[start:end]
    front = len(value) - len(value.lstrip(" \t\r\n`\"'"))
    return start + front, max(start + front, start + len(value.rstrip(" \t\r\n`\"'")))


def _of_html(text: str, start: int, end: int) -> _Table:
    if text[start - 1 : start] != ">" or text[end : end + 2] != "</":
        return _NONE
    begin = max(text.rfind(mark, max(0, start - _LONGEST), start) for mark in ("<tr", "<TR"))
    if begin < 0:
        return _NONE
    rows = _rows_of_html(text, begin)
    return next(rows, []), rows


def _rows_of_html(text: str, at: int) -> Iterator[list[Place]]:
    begin, limit = -1, min(len(text), at + _REACH)
    for tag in chain(_ROW_OF_HTML.finditer(text, at, limit), (None,)):
        if begin >= 0:
            row = _CELL_OF_HTML.finditer(text, begin, tag.start() if tag else limit)
            yield [_trimmed(text, *cell.span("value")) for cell in row]
        if tag is None or tag["end"]:
            return
        begin = tag.start()


def _of_json(text: str, start: int, end: int) -> _Table:
    if text[start - 1 : start] not in ('"', "'") or text[end : end + 1] not in ('"', "'"):
        return _NONE
    opened = text.rfind("[", max(0, start - _LONGEST), start)
    columns = next(_COLUMNS_OF_JSON.finditer(text, max(0, opened - 24), opened + 1), None) if opened >= 0 else None
    header, at = _items(text, columns.end()) if columns else ([], 0)
    return header, _rows_of_json(text, at)


def _rows_of_json(text: str, at: int) -> Iterator[list[Place]]:
    rows = _ROWS_OF_JSON.search(text, at, at + _REACH)
    at, limit = (rows.end(), rows.end() + _REACH) if rows else (at, at)
    while at < limit and (opening := _NEXT_OF_JSON.match(text, at)):
        row, at = _items(text, opening.end())
        yield row


def _items(text: str, at: int) -> tuple[list[Place], int]:
    """The items of a list, and where it ends; none if there is more than texts and numbers in it."""
    found: list[Place] = []
    limit = at + 4 * _LONGEST
    while at < limit and (item := _ITEM_OF_JSON.match(text, at)):
        found.append(item.span("text" if item["mark"] else "bare"))
        at = item.end()
        if item["behind"] == "]":
            return found, at
    return [], at
