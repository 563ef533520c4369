"""What a row of W&B's history, or its summary, has in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from reticent.backends.wandb.mapping import STATUS, STEP
from reticent.importing.past import Point

_OWN = {"_step", "_timestamp", "_runtime", "_wandb", STEP, STATUS}
_LOGGED = "logged/"


class Rows:
    """The rows of a run as points. What they have that is no number is counted by key in `others`."""

    def __init__(self) -> None:
        self.others: Counter[str] = Counter()
        self.newest: dict[str, Point] = {}
        """Of each key."""

    def points(self, row: Mapping[str, Any]) -> Iterator[Point]:
        step = _whole(row.get(STEP, row.get("_step", 0)))
        moment = _number(row.get("_timestamp")) or 0.0
        for key, value in flat({key: value for key, value in row.items() if key not in _OWN}):
            number = _number(value)
            if number is not None:
                point = Point(name(key), number, step, moment)
                self.newest[point.key] = point
                yield point
            elif not _is_file(value):
                self.others[key] += 1

    def told(self) -> list[str]:
        """What was left out, for the run's health."""
        if not self.others:
            return []
        keys = ", ".join(f"{key} ({count})" for key, count in self.others.most_common(20))
        return [f"{self.others.total()} values of its history that are no numbers: {keys}"]


def summary_points(summary: Mapping[str, Any], rows: Rows, end: float) -> Iterator[Point]:
    """The numbers of a summary that are not just the newest of their key: as one more metric each."""
    last = max((point.step for point in rows.newest.values()), default=0)
    for key, value in _summed(summary):
        number, point = _number(value), rows.newest.get(name(key))
        if number is None:
            continue
        if point is None:
            yield Point(name(key), number, last, end)
        elif repr(point.value) != repr(number):  # one NaN is like another
            yield Point(f"summary/{name(key)}", number, point.step, end)


def summary_texts(summary: Mapping[str, Any]) -> dict[str, str]:
    """The texts of a summary, as tags."""
    return {f"summary.{name(key)}": value for key, value in _summed(summary) if isinstance(value, str)}


def flat(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Nested values by keys with dots, as W&B's page has them; what it has a type for (a picture, say) is one value."""
    waiting = [("", values)]
    while waiting:
        prefix, inner = waiting.pop()
        for key, value in inner.items():
            if isinstance(value, dict) and "_type" not in value:
                waiting.append((f"{prefix}{key}.", value))
            else:
                yield f"{prefix}{key}", value


def name(key: str) -> str:
    """A key as it was logged: our backend puts some aside."""
    return key.removeprefix(_LOGGED)


def _summed(summary: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    return flat({key: value for key, value in summary.items() if key not in _OWN})


def _is_file(value: object) -> bool:
    """Whether this tells of a picture, table or the like, which is among the run's files."""
    return isinstance(value, dict) and ("path" in value or "filenames" in value)


def _number(value: object) -> float | None:
    # A server gives as text what JSON has no number for.
    return float(value) if isinstance(value, (int, float)) or value in ("NaN", "Infinity", "-Infinity") else None


def _whole(step: object) -> int:
    number = _number(step)
    return int(number) if number is not None and abs(number) < 2.0**63 else 0
