"""What a user may decide about redaction, and what a redacted value looks like.

A policy chooses which keys count as secret and how much work a value may cost. None can skip sealing: value rules
apply to a kept key as to any other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Policy:
    """Which keys to keep or deny (names or globs; deny wins), and the bounds beyond which a value is withheld."""

    keep: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    max_depth: int = 32
    max_nodes: int = 100_000
    max_text: int = 16 * 1024 * 1024


MARKER = re.compile(r"\[REDACTED:([a-z0-9-]{1,64})\]")


def marker(rule: str) -> str:
    """What stands in a secret's place: the rule that found it, nothing of the secret."""
    return f"[REDACTED:{rule}]"
