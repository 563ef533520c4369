"""What stands for the values of a pickle: texts, bytes and containers for themselves, and little for anything else."""

from __future__ import annotations

import re
from typing import Any

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
    """A dtype of numpy: the bytes that an item takes, and its letter."""

    letter: str


KEPT = frozenset({str, bytes, list, tuple, dict, Object, Dtype})


def plain(value: Any) -> Any:
    return value if type(value) in KEPT or type(value) is int else None


def name_of(key: Any, number: int) -> str:
    """The name of an item of a dict; `number` tells those apart that have none."""
    if type(key) is str:
        return key
    if type(key) is bytes:
        return key.decode("utf-8", "replace")
    return " ".join(part for part in key if type(part) is str) if type(key) is tuple else str(number)


def listed(items: list[Any], before: list[Any] | None = None) -> list[Any]:
    """The items of a list, several numbers in a row as one."""
    result: list[Any] = []
    last = (before or [""])[-1]
    for item in items:
        kept = item if type(item) in KEPT else None
        if kept is not None or last is not None:
            result.append(kept)
        last = kept
    return result


def dtype_of(arguments: Any) -> Dtype | None:
    match = _DTYPE.fullmatch(arguments[0]) if type(arguments) is tuple and type(arguments[0]) is str else None
    if match is None:
        return None
    dtype = Dtype(int(match[2]) * (4 if match[1] == "U" else 1))
    dtype.letter = match[1]
    return dtype


def texts_of(dtype: Dtype, content: bytes) -> list[str] | None:
    """The texts in an array of texts; None for an array of anything else."""
    if dtype.letter not in "US" or dtype == 0:
        return None
    text = content.decode("utf-32-le", "ignore") if dtype.letter == "U" else content.decode("latin-1")
    width = dtype // 4 if dtype.letter == "U" else int(dtype)
    return [item for start in range(0, len(text), width) if (item := text[start : start + width].rstrip("\0"))]
