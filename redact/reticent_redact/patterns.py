"""Users' own patterns, by an engine whose time is linear in the text whatever the pattern (RE2)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reticent_redact.policy import Action

_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
_SET_SIZE = 500
_MAX_MEMORY = 64 << 20


class PatternError(ValueError):
    """A user's rule that cannot be used; the message names the rule."""


@dataclass(frozen=True)
class UserRule:
    """A pattern of the user's, in RE2's syntax. What it matches is hidden: its group `secret`, or all without one.

    `hits` and `misses` are tried when the rule is loaded. `only_in` names the channels that it is for; empty: all.
    """

    id: str
    pattern: str
    action: Action | None = None
    only_in: tuple[str, ...] = ()
    hits: tuple[str, ...] = ()
    misses: tuple[str, ...] = ()


class Patterns:
    """All of a user's rules, compiled. PatternError names the first one that cannot be used, and why."""

    def __init__(self, rules: Sequence[UserRule]) -> None:
        self._rules = tuple(rules)
        self._compiled: dict[str, Any] = {}
        self._sets: list[tuple[int, Any]] = []
        if not rules:
            return
        try:
            import re2
        except ImportError:
            raise PatternError("rules with patterns need google-re2: pip install 'reticent[patterns]'") from None
        options = re2.Options()
        options.log_errors = False
        for number, rule in enumerate(rules):
            self._check(rule, re2, options)
            if number % _SET_SIZE == 0:
                options.max_mem = _MAX_MEMORY
                self._sets.append((number, re2.Set.SearchSet(options)))
            self._sets[-1][1].Add(rule.pattern)
        for _, compiled in self._sets:
            compiled.Compile()

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(self._compiled)

    def find(self, text: str, channel: str) -> Iterator[tuple[int, int, str]]:
        """From where to where each match reaches, and the rule's id."""
        for first, compiled in self._sets:
            for number in compiled.Match(text) or ():
                rule = self._rules[first + number]
                if not rule.only_in or channel in rule.only_in:
                    yield from self._places(rule, text)

    def _places(self, rule: UserRule, text: str) -> Iterator[tuple[int, int, str]]:
        compiled = self._compiled[rule.id]
        group = compiled.groupindex.get("secret", 0)
        for match in compiled.finditer(text):
            start, end = match.span(group)
            if start < end:
                yield start, end, rule.id

    def _check(self, rule: UserRule, re2: Any, options: Any) -> None:
        if not _ID.fullmatch(rule.id):
            raise PatternError(f"rule {rule.id!r}: an id is made of small letters, digits and '-', 64 at most")
        if rule.id in self._compiled:
            raise PatternError(f"rule {rule.id!r}: another rule has this id")
        try:
            self._compiled[rule.id] = re2.compile(rule.pattern, options)
        except re2.error as error:
            reason = error.args[0].decode() if isinstance(error.args[0], bytes) else error
            raise PatternError(f"rule {rule.id!r}: RE2 cannot use the pattern: {reason}") from None
        if self._compiled[rule.id].fullmatch(""):
            raise PatternError(f"rule {rule.id!r}: the pattern matches empty text")
        for number, example in enumerate(rule.hits, 1):
            if not any(self._places(rule, example)):
                raise PatternError(f"rule {rule.id!r}: example {number} of hits is not found by the pattern")
        for number, example in enumerate(rule.misses, 1):
            if any(self._places(rule, example)):
                raise PatternError(f"rule {rule.id!r}: example {number} of misses is found by the pattern")
