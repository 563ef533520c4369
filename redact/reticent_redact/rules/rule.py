"""What a rule is: one format of secrets, as data."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from reticent_redact.plausible import is_filler

Confidence = Literal["high", "medium", "low"]


def _is_anything(secret: str) -> bool:  # noqa: ARG001 - a validator
    return True


@dataclass(frozen=True, eq=False)  # a rule is equal to itself; hashing all its examples would take a while
class Rule:
    """One format of secrets, by its issuer's published form.

    `literals` say where to try the rule: fixed text, case kept, each long or odd enough to be rare in ordinary text. The
    `pattern` is matched from a literal's first character and from nowhere else; so it must begin with the literal (or a
    look behind), and every repetition in it has an upper bound. With `before`, a set of characters, the match begins as
    many of those earlier as stand in front of the literal, at most `reach` of them. Literals are sought as if a newline
    stood before the text, so `at` may be -1: a literal that begins with one also stands at the text's beginning.

    The group `secret`, or all of the match without one, is what is hidden, if `valid` agrees with it and it is no stand-in:
    `stands_in` sees the beginning of what was found. `only_in` names the
    channels that the rule is for; empty: all. `hits` and `misses` are examples, and run as tests.
    """

    id: str
    literals: tuple[str, ...]
    pattern: str
    valid: Callable[[str], bool] = _is_anything
    confidence: Confidence = "high"
    only_in: frozenset[str] = frozenset()
    before: str = ""
    reach: int = 64
    stands_in: Callable[[str], bool] = is_filler
    hits: tuple[str, ...] = ()
    misses: tuple[str, ...] = ()

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        """Made with the first text that holds one of the literals: all of them at once would take 0.3 s."""
        return re.compile(self.pattern, re.ASCII)

    @cached_property
    def group(self) -> int:
        return self.compiled.groupindex.get("secret", 0)

    def find(self, text: str, at: int) -> tuple[int, int] | None:
        """From where to where a secret reaches whose literal stands in `text` at `at`; None if there is none."""
        if self.before:
            front = text[max(0, at - self.reach) : max(0, at)]
            at -= len(front) - len(front.rstrip(self.before))
        match = self.compiled.match(text, at)
        if match is None or not self.valid(match[self.group]):
            return None
        return match.span(self.group)
