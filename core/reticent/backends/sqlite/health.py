"""How the logging of a run stands, which is another matter than how its training stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TROUBLES = """
    SELECT run, 'warning', count(*), '' FROM warning WHERE {runs} GROUP BY run
    UNION ALL SELECT run, 'loss', sum(count), '' FROM loss WHERE {runs} GROUP BY run
    UNION ALL SELECT run, 'withheld', count(*), '' FROM withheld WHERE {runs} GROUP BY run
    UNION ALL SELECT run, 'rejected', rejected, backend FROM delivery WHERE {runs} AND rejected > 0
    UNION ALL SELECT run, 'pending', 0, backend FROM delivery WHERE {runs} AND state = 'pending'
"""
"""Rows of a run, what is the trouble, how often, and with which backend."""


@dataclass(frozen=True, slots=True)
class Health:
    """`reasons` are short sentences."""

    state: Literal["ok", "degraded"] = "ok"
    reasons: tuple[str, ...] = ()

    def worse(self, trouble: str, count: int, backend: str) -> Health:
        """This health with one more trouble, as a row of `TROUBLES` says it."""
        one = count == 1
        reason = {
            "warning": f"{count} warning{'' if one else 's'} about the logging",
            "loss": f"{count} record{' was' if one else 's were'} lost",
            "withheld": f"{count} file{' was' if one else 's were'} withheld",
            "rejected": f"{backend} refused {count} record{'' if one else 's'}",
            "pending": f"{backend} has not got everything yet",
        }[trouble]
        return Health("degraded", (*self.reasons, reason))
