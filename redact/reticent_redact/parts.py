"""What a file that is no text falls into: texts, structures of texts under their keys, and files that are packed in it."""

from __future__ import annotations

from typing import Any, BinaryIO, NamedTuple, TypeAlias


class Unreadable:
    """Stands for a part that cannot be looked at: it is damaged, encrypted, too large, or nothing here can read it."""


UNREADABLE = Unreadable()


class Member(NamedTuple):
    """A file in an archive. Its content is None where there is none, or it cannot be read."""

    name: str
    content: BinaryIO | None


Part: TypeAlias = "str | list[Any] | dict[Any, Any] | BinaryIO | Member | Unreadable"
"""A file among them can be read again from its beginning."""

LARGEST = 256 * 1024 * 1024
"""Bytes of a part that is held in memory."""
