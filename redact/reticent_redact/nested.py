"""The values below a key in text: in the list or mapping that opens behind it, or on the lines indented under it.

    {"password": ["..."], "api_keys": {"prod": "..."}}          passwords:
                                                                  - ...

It stops where a key follows that names a secret itself, so that no text is gone through twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

_REACH = 4096
_DEEPEST = 4
_LINES = 64

_SPACE = re.compile(r"(?:\s|\\[nrt]|(?<=\n)[+-](?=[\s\"'\]})])){0,256}")  # lines of a diff begin with their sign
_STRING = re.compile(r"""[bBrRfFuU]{0,2}(?P<mark>\\{0,3}["'])""")
_BARE = re.compile(r"""[^\s,:\[\]{}()"'\\]{1,512}""")

_KEY_ALONE = re.compile(r"""[+-]?[ \t]{0,64}(?:-[ ]{1,4}){0,4}["']?""")
_EMPTY_REST = re.compile(
    r"(?:[&!][\w!./-]{0,64}[ \t]{1,4}|[&!][\w!./-]{1,64}(?=[ \t]*\r?$)){0,2}[ \t]{0,8}(?:#[^\n]{0,256})?\r?\n",
    re.MULTILINE,
)
_LINE = re.compile(
    r"""(?P<indent>[ \t]{0,64})(?P<dash>-[ ]{1,4})?(?:(?P<key>["']?[\w.-]{1,64}["']?):[ \t]{1,8})?"""
    r"""(?P<mark>["'])?(?P<value>(?(mark)[^"'\n]{1,512}|[^\s"'\[{&*#][^\s"']{0,512}))(?(mark)(?P=mark))"""
    r"""[ \t]{0,8}(?:#[^\n]{0,256})?\r?(?:\n|\Z)""",
)
_ANY_LINE = re.compile(r"(?P<indent>[ \t]{0,64})(?P<dash>-[ ])?[^\n]{0,512}(?:\n|\Z)")


class Leaf(NamedTuple):
    """Where a value stands, the key that it has of its own ("" in a list), and whether it stands between quotes."""

    start: int
    end: int
    key: str
    quoted: bool


def inside(text: str, at: int, names_secret: Callable[[str], bool]) -> Iterator[Leaf]:
    """The values in the list or mapping that opens at `at`: as JSON, Python and YAML write them."""
    limit = min(len(text), at + _REACH)
    opened: list[str] = []
    key, last = "", None
    while at <= limit:
        at = _end(_SPACE, text, at)
        character = text[at : at + 1]
        if character and character in "[{":
            if len(opened) == _DEEPEST:
                return
            opened.append(character)
            last = None
            at += 1
            continue
        if character and character in ",]}":
            if last is not None:
                yield last
            last, key = None, "" if character == "," else key
            at += 1
            if character != ",":
                opened.pop()
                if not opened:
                    return
            continue
        if character == ":":
            if last is None or names_secret(text[last.start : last.end]):
                return
            key, last = text[last.start : last.end], None
            at += 1
            continue
        if last is not None:
            if not character and opened[-1] == "[":  # the text is cut off in a list
                yield last
            return
        string = _STRING.match(text, at)
        if string is not None:
            end = _closing(text, string.end(), string["mark"], limit)
            if end < 0:
                return
            last = Leaf(string.end(), end, key, True)
            at = end + len(string["mark"])
            continue
        bare = _BARE.match(text, at, limit)
        if bare is None:
            return
        last = Leaf(*bare.span(), key, False)
        at = bare.end()


def below(text: str, start: int, at: int, names_secret: Callable[[str], bool]) -> Iterator[Leaf]:
    """The values on the lines under the YAML key that begins at `start`, if nothing follows its colon at `at`."""
    rest = _EMPTY_REST.match(text, at)
    if rest is None:
        return
    begin = text.rfind("\n", max(0, start - 96), start) + 1
    if _KEY_ALONE.fullmatch(text, begin, start) is None:
        return
    column = start - begin - (text[start - 1 : start] in ('"', "'"))
    sign = text[begin] if text[begin] in "+-" and text.startswith(text[begin], rest.end()) else ""  # of a diff
    column -= len(sign)
    at, limit = rest.end(), min(len(text), rest.end() + _REACH)
    for number in range(_LINES):
        if not text.startswith(sign, at):
            return
        at += len(sign)
        any_line = _ANY_LINE.match(text, at)
        if at >= limit or any_line is None or not any_line[0].strip():
            return
        if len(any_line["indent"]) < column + (any_line["dash"] is None):
            return
        line = _LINE.match(text, at)
        if line is not None:
            key = (line["key"] or "").strip("\"'")
            if names_secret(key):
                return
            if key or line["dash"] or number == 0:
                yield Leaf(*line.span("value"), key, line["mark"] is not None)
            if not key and not line["dash"]:
                return
        at = any_line.end()


def _closing(text: str, at: int, mark: str, limit: int) -> int:
    """Where the string ends that `mark` opened before `at`; -1 if that is not on its line, or beyond `limit`."""
    if len(mark) > 1:  # in a string itself: a mark with as many backslashes
        end = text.find(mark, at, limit)
        return end if "\n" not in text[at:end] else -1
    while True:
        end = text.find(mark, at, limit)
        if end < 0 or "\n" in text[at:end]:
            return -1
        front = text[max(at, end - 64) : end]
        if (len(front) - len(front.rstrip("\\"))) % 2 == 0:
            return end
        at = end + 1


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at
