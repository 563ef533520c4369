"""Which data set of a training it is that a loop goes through: many a loop makes its data anew for each epoch."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

MAX_SETS = 20
"""So many are told apart by what they are, others by their places only."""


@dataclass
class _One:
    data: Any
    """A weak reference, or of a list, which has none, the id of it."""
    digest: str

    def is_of(self, data: object) -> bool:
        return bool(self.data == id(data) if isinstance(self.data, int) else self.data() is data)

    @property
    def may_be_gone(self) -> bool:
        return isinstance(self.data, int) or self.data() is None


class Seen:
    """The data sets of one role, numbered from 1 in the order in which they came. Those that are gone through one after the
    other, or side by side, are a row: the first one has place 1 in it."""

    def __init__(self) -> None:
        self._all: list[_One] = []
        self._row: set[int] = set()
        """The numbers in the present row."""

    def __contains__(self, data: object) -> bool:
        return any(one.is_of(data) for one in self._all)

    def number(self, data: Any, place: int) -> int | None:
        """Which one this object is; None if it is not known."""
        if place == 1:
            self._row.clear()
        number = next((number for number, one in enumerate(self._all, 1) if one.is_of(data)), None)
        if number is not None:
            self._row.add(number)
        return number

    def take_in(self, data: Any, digest: str, place: int) -> tuple[int, bool]:
        """The number of an object that is not known, and whether it is another data set. Where the one in its place before,
        or was described as it is, exists no more, it has been made anew."""
        gone = {number: one for number, one in enumerate(self._all, 1) if one.may_be_gone and number not in self._row}
        same = [number for number, one in gone.items() if one.digest == digest]
        number = place if place in gone and (place in same or not same) else next(iter(same), None)
        if number is None and len(self._all) >= MAX_SETS:
            number = min(place, MAX_SETS)
        is_new = number is None
        if number is None:
            self._all.append(_One(_reference(data), digest))
            number = len(self._all)
        self._all[number - 1].data = _reference(data)
        self._row.add(number)
        return number, is_new


def _reference(data: Any) -> Any:
    try:
        return weakref.ref(data)
    except TypeError:
        return id(data)
