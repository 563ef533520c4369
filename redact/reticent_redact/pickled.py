"""What stands for the values of a pickle: texts, bytes and containers for themselves, and little for anything else."""

from __future__ import annotations

import re
from typing import Any

from reticent_redact.arrays import Field, columns

_LONGEST_NAME = 256
_MOST_PARTS = 16
"""Characters of a name, and the last parts of one, that say something."""

_MOST_FIELDS = 1000

_DTYPE = re.compile(r"[<>|=]?([a-zA-Z])(\d+)")


class Global:
    """A class or function, which a text is not."""

    def __init__(self, name: str) -> None:
        self.name = name


class Object(list[Any]):
    """An object: the arguments that it is made with, and its state."""

    def __init__(self, of: Any, *arguments: Any) -> None:
        super().__init__(map(plain, arguments))
        self.of = of.name if type(of) is Global else ""


class Dtype(int):
    """A dtype of numpy: the bytes that an item takes, its letter, and where it has texts."""

    letter: str
    fields: list[Field]


class Numbers(int):
    """So many items of a list in a row that are neither texts nor containers."""


KEPT = frozenset({str, bytes, list, tuple, dict, Object, Dtype})


def plain(value: Any) -> Any:
    return value if type(value) in KEPT or type(value) is int else None


def name_of(key: Any, number: int) -> str:
    """The name of an item of a dict; `number` tells those apart that have none."""
    if type(key) is str:
        return key
    if type(key) is bytes:
        return key.decode("utf-8", "replace")
    if type(key) is not tuple:
        return str(number)
    return " ".join(part[-_LONGEST_NAME:] for part in key[-_MOST_PARTS:] if type(part) is str)[-_LONGEST_NAME:]


def says_more(key: Any) -> bool:
    """Whether there is more in a key than its name tells."""
    return type(key) is tuple and (len(key) > _MOST_PARTS or sum(map(len, filter(_is_text, key))) > _LONGEST_NAME // 2)


def _is_text(part: Any) -> bool:
    return type(part) is str


def listed(items: list[Any]) -> list[Any]:
    """The items of a list, several numbers in a row as one."""
    result: list[Any] = []
    for item in items:
        if type(item) in KEPT:
            result.append(item)
        else:
            add_numbers(result, item if type(item) is Numbers else 1)
    return result


def add_numbers(items: list[Any], count: int) -> None:
    """Add so many numbers to a list."""
    if items and type(items[-1]) is Numbers:
        items[-1] = Numbers(items[-1] + count)
    else:
        items.append(Numbers(count))


def dtype_of(arguments: Any) -> Dtype | None:
    match = _DTYPE.fullmatch(arguments[0]) if type(arguments) is tuple and type(arguments[0]) is str else None
    if match is None:
        return None
    dtype = Dtype(int(match[2]) * (4 if match[1] == "U" else 1))
    dtype.letter = match[1]
    dtype.fields = [Field("", 0, dtype, "utf-8" if match[1] == "S" else "utf-32-le")] if match[1] in "US" else []
    return dtype


def describe(dtype: Dtype, state: tuple[Any, ...]) -> None:
    """Where there are texts in a dtype with this state: version, byte order, part and shape, names, fields, size."""
    if state[1] == ">":
        dtype.fields = [field._replace(encoding=field.encoding.replace("le", "be")) for field in dtype.fields]
    fields = state[4] if type(state[4]) is dict else {}
    inner = [(name, *fields[name][:2]) for name in state[3] or () if name in fields]
    if type(state[2]) is tuple:
        part = state[2][0]
        if dtype // part > _MOST_FIELDS:
            raise OverflowError
        inner += [("", part, at) for at in range(0, dtype, part)]
    for name, part, at in inner:
        dtype.fields += [field._replace(name=field.name or name, at=field.at + at) for field in part.fields]
        if sum(field.size for field in part.fields) > part or len(dtype.fields) > min(dtype, _MOST_FIELDS):
            raise OverflowError


def texts_of(dtype: Dtype, content: bytes) -> list[Any] | None:
    """The texts in an array of texts, or of fields with texts; None for an array of anything else."""
    return list(columns(content, dtype.fields, dtype)) if dtype.fields and dtype else None
