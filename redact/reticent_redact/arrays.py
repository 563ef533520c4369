"""The texts in an array of numpy, by the dtype that a file says it has: alone, or in the fields of a structured one."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

_DTYPE = re.compile(r"([<>|=]?)([a-zA-Z])(\d*)(\[.*\])?")
_MOST_FIELDS = 10_000
_AT_ONCE = 10_000
"""Items whose texts are in memory together."""


class Field(NamedTuple):
    """Where the texts of a field are in an item, how many bytes they take, and their encoding."""

    name: str
    at: int
    size: int
    encoding: str


def layout(description: Any, name: str = "", at: int = 0) -> tuple[list[Field], int]:
    """The fields with text of a dtype that is described as in a file of numpy, and the bytes of an item.

    ValueError for what describes none, or one of more fields than are looked at.
    """
    if isinstance(description, str):
        return _simple(description, name, at)
    if isinstance(description, tuple) and len(description) == 2 and _is_shape(description[1]):
        return _repeated(description[0], math.prod(description[1]), name, at)
    if not isinstance(description, list):
        raise ValueError("not a dtype")
    fields: list[Field] = []
    start = at
    for column in description:
        if not isinstance(column, tuple) or len(column) not in (2, 3):
            raise ValueError("not a field of a dtype")
        called = str(column[0][-1] if isinstance(column[0], tuple) else column[0])  # one with a title has both
        more, size = layout(column[1] if len(column) == 2 else tuple(column[1:]), called or name, at)
        fields += more
        at += size
        if len(fields) > _MOST_FIELDS:
            raise ValueError("too many fields")
    return fields, at - start


def columns(content: bytes, fields: list[Field], size: int) -> Iterator[dict[str, list[str]]]:
    """The different texts in the fields of items of so many bytes, some items at a time."""
    for start in range(0, len(content), _AT_ONCE * size) if size else ():
        end = min(len(content), start + _AT_ONCE * size)
        found: dict[str, list[str]] = {}
        for field in fields:
            starts = range(start + field.at, end, size)
            texts = dict.fromkeys(content[at : at + field.size] for at in starts)
            decoded = (text.decode(field.encoding, "replace").rstrip("\0") for text in texts)
            found.setdefault(field.name, []).extend(filter(None, decoded))
        yield found


def lines(content: bytes, encoding: str, size: int) -> bytes:
    """The texts of an array, each on a line of its own: those that fill their items have nothing between them."""
    found = bytearray()
    for start in range(0, len(content), _AT_ONCE * size):
        end = min(len(content), start + _AT_ONCE * size)
        texts = dict.fromkeys(content[at : at + size] for at in range(start, end, size))
        if encoding == "utf-8":  # or any other whose letters are bytes: they stay as they are
            found += b"\n".join(text.rstrip(b"\0") for text in texts) + b"\n"
        else:
            found += "".join(text.decode(encoding, "replace").rstrip("\0") + "\n" for text in texts).encode()
    return bytes(found)


def _simple(description: str, name: str, at: int) -> tuple[list[Field], int]:
    match = _DTYPE.fullmatch(description)
    if match is None or match[2] == "O":
        raise ValueError("not a dtype without objects")
    size = int(match[3] or 1) * (4 if match[2] == "U" else 1)
    if match[2] not in "US" or size == 0:
        return [], size
    encoding = "utf-8" if match[2] == "S" else "utf-32-be" if match[1] == ">" else "utf-32-le"
    return [Field(name, at, size, encoding)], size


def _repeated(description: Any, count: int, name: str, at: int) -> tuple[list[Field], int]:
    fields, size = layout(description, name, at)
    if len(fields) * count > _MOST_FIELDS:
        raise ValueError("too many fields")
    more = (
        [field._replace(at=field.at + number * size) for number in range(count) for field in fields] if fields else []
    )
    return more, size * count


def _is_shape(shape: Any) -> bool:
    return isinstance(shape, tuple) and all(type(length) is int and length >= 0 for length in shape)
