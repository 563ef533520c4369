"""Where the secrets are in a text: by the rules for values, the values known, `key=value` of secret keys, users' patterns.

All spans are found in the text as it came and merged before anything is replaced, so no rule sees another's marker and
redacting the result again changes nothing. The work is linear: a rule is tried only where its literal stands, looks a
bounded distance ahead, and what it took is not looked at by it again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from reticent_redact import names, vocabulary
from reticent_redact.assignments import Assigned, Assignments
from reticent_redact.keys import key_literals
from reticent_redact.known import Known, Shape
from reticent_redact.literals import WINDOW, Literals
from reticent_redact.markers import MARKER
from reticent_redact.patterns import Patterns
from reticent_redact.rules import RULES
from reticent_redact.rules.forms import begins_word
from reticent_redact.rules.rule import Confidence, Rule

UNSCANNED_RULE = "unscanned"
KNOWN_RULE = "known-secret"

REACH = 64 * 1024
"""No rule needs to see more than this much after the beginning of a secret to know it for one."""

CONTEXT = 1024
"""No rule needs to see more than this much before a secret."""

SHORTEST = 12
"""No rule matches in fewer characters, unless one of them is in `_TELLING`. A test holds every example to it."""

_JOINED_FROM = 2 * 1024 * 1024
"""Characters: to look twice through so many takes longer than to make one automaton of the literals and the known values."""

_MOST_JOINED = 2_000
"""Known values of more anchors make an automaton that is slower than two."""

_SHOWN = 256
"""Characters of what was found that tell whether it only shows what a secret looks like."""

_TELLING = re.compile(r"[:=@>\uff1a\uff1d]|--")  # the last two are as wide as letters of East Asia
_WIDE = re.compile("[\uff1a\uff1d]|[\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\uff3f\uff0d]{3,256}")
_OF_WIDE_KEYS = "\uff53\uff33\uff45\uff25\uff1a\uff1d"
"""Wide s, S, e, E, colon, equals sign: one of them is in every key that is written so, or behind it."""

_NARROW = {wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)}
_OF_TOKENS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
_COLOURED = re.compile(r"\x1b\[[0-9;]{0,16}m\Z")
"""What a terminal is told before a token, and is no part of it."""
_REST_OF_TOKEN = re.compile(r"[A-Za-z0-9_-]*")

CONFIDENCE: dict[str, Confidence] = {rule.id: rule.confidence for rule in RULES}
_RULE_IDS = {rule.id for rule in RULES} | names.RULES | {UNSCANNED_RULE, KNOWN_RULE, names.NOT_LISTED}


class Span(NamedTuple):
    """A secret's place in a text, and what found it. `key` is the one it is assigned to in the text, if that told."""

    start: int
    end: int
    rule: str
    key: str = ""


class Scanner:
    """Finds secrets in text. `judge` gives the verdict for a key, `more_keys` are literals that other secret keys hold."""

    def __init__(
        self,
        judge: Callable[[str], names.Verdict | None],
        more_keys: Iterable[str] = (),
        known: Known | None = None,
        patterns: Patterns | None = None,
        rules: Sequence[Rule] = RULES,
    ) -> None:
        self.judge = judge
        self._more_keys = tuple(more_keys)
        self._rules = tuple(rules)
        self._fewer: dict[frozenset[str], Scanner] = {}
        self.known = known if known is not None else Known()
        self._patterns = patterns
        self._assignments = Assignments(judge)
        self._literals, self._tried = _table(self._rules, key_literals(self._more_keys))
        self._rule_ids = _RULE_IDS.union(patterns.ids if patterns is not None else ())
        self._joined: _Joined | None = None
        self._seen = (0, 0)
        """The generation of the known values, and how many characters of long texts were scanned with it."""

    def without(self, rules: frozenset[str]) -> Scanner:
        """One that finds the same, but for these rules."""
        if rules not in self._fewer:
            left = [rule for rule in self._rules if rule.id not in rules]
            self._fewer[rules] = Scanner(self.judge, self._more_keys, self.known, self._patterns, left)
        return self._fewer[rules]

    def is_marker(self, text: str) -> bool:
        """Whether the text is one of our markers and nothing else."""
        found = MARKER.fullmatch(text)
        return found is not None and found[1] in self._rule_ids

    def may_hold(self, text: str) -> bool:
        """False for the short words that most values are: no rule can match in them."""
        return len(text) >= SHORTEST or _TELLING.search(text) is not None

    def spans(self, text: str, channel: str, *, keys: bool = True) -> list[Span]:
        """The secrets in a text, in order and apart. A marker that is there already is a wall: none reaches across it.

        Without `keys`, `key=value` is passed over: for a rendered structure, whose quotes and keys are not the text's own.
        """
        if "[REDACTED:" in text:
            text = MARKER.sub(self._wall, text)
        foreign = _beyond_ascii(text)
        if any(letter in window for _, window in foreign for letter in _OF_WIDE_KEYS):
            text = _WIDE.sub(lambda wide: wide[0].translate(_NARROW), text)
        joined = self._join(len(text)) if self.known and len(text) >= WINDOW else None
        found = list(self._by_literal(text, channel, keys, joined))
        if keys:
            found += self._by_foreign_word(text, foreign)
        if self._patterns is not None:
            found += [Span(*place) for place in self._patterns.find(text, channel)]
        if self.known and joined is None:
            found += [Span(*_whole_token(text, start, end), KNOWN_RULE) for start, end in self.known.find(text)]
        return _merged(found)

    def _join(self, size: int) -> _Joined | None:
        """The literals and the anchors of the known values in one, where that is worth it for `size` more characters."""
        generation = self.known.generation
        if self._joined is not None and self._joined.generation == generation:
            return self._joined
        seen = (self._seen[1] if self._seen[0] == generation else 0) + size
        self._seen = generation, seen
        if seen < _JOINED_FROM:
            return None
        anchors = self.known.anchors()
        if len(anchors) > _MOST_JOINED:
            return None
        self._joined = _Joined(generation, self._literals.with_more(anchors), tuple(anchors.values()))
        return self._joined

    def _by_literal(self, text: str, channel: str, keys: bool, joined: _Joined | None) -> Iterator[Span]:
        done: dict[int, int] = {}
        """By rule (and -1 for keys): up to where it has taken what it found."""
        for at, number in (self._literals if joined is None else joined.literals).find(text):
            if joined is not None and number >= len(self._tried):
                known = self.known.place(text, at, joined.shapes[number - len(self._tried)])
                if known is not None:
                    yield Span(*_whole_token(text, *known), KNOWN_RULE)
                continue
            rules, is_key = self._tried[number]
            for index, rule in rules:
                if at < done.get(index, -1) or (rule.only_in and channel not in rule.only_in):
                    continue
                place = rule.find(text, at)
                if place is not None and not rule.stands_in(text[slice(*place)][:_SHOWN]):
                    start, end = place
                    # The rest of the word goes too: what follows a marker must not look like a beginning.
                    end = done[index] = _end_of_token(text, end)
                    yield Span(start, end, rule.id)
            if is_key and keys and at >= done.get(-1, 0):
                assigned = self._assignments.find(text, at)
                if assigned:  # what lies between the first and the next may be others' keys
                    done[-1] = assigned[0].end
                yield from map(_span, assigned)

    def _by_foreign_word(self, text: str, windows: list[tuple[int, str]]) -> Iterator[Span]:
        for word, telling in vocabulary.NOT_ASCII.items():
            done = 0
            for start, window in windows:
                at = window.find(word, max(0, done - start)) if telling in window else -1
                while at >= 0:
                    assigned = self._assignments.find(text, start + at)
                    yield from map(_span, assigned)
                    done = assigned[0].end if assigned else start + at + len(word)
                    at = window.find(word, done - start)

    def _wall(self, marker: re.Match[str]) -> str:
        return "\n" * len(marker[0]) if marker[1] in self._rule_ids else marker[0]


class _Joined(NamedTuple):
    """The literals, and after them the anchors of the values known at `generation`, each with its shapes."""

    generation: int
    literals: Literals
    shapes: tuple[tuple[Shape, ...], ...]


_Tried: TypeAlias = list[tuple[tuple[tuple[int, Rule], ...], bool]]
"""For each literal: the rules to try, with their numbers, and whether it is one of a key."""


@lru_cache(maxsize=8)
def _table(rules: tuple[Rule, ...], of_keys: frozenset[str]) -> tuple[Literals, _Tried]:
    """What stands in texts and what it stands for: the same for all redactors whose policies name the same keys."""
    tried: dict[str, list[tuple[int, Rule]]] = {}
    for number, rule in enumerate(rules):
        for literal in rule.literals:
            tried.setdefault(literal, []).append((number, rule))
    literals = sorted(of_keys.union(tried))
    table = [(tuple(tried.get(literal, ())), literal in of_keys) for literal in literals]
    of_words = {
        number for number, (of, is_key) in enumerate(table) if not is_key and all(begins_word(rule) for _, rule in of)
    }
    return Literals(literals, of_words=of_words), table


def replace(text: str, spans: Iterable[tuple[Span, str]], start: int, end: int) -> str:
    """`text[start:end]` with each span in it replaced by its text."""
    pieces: list[str] = []
    for span, instead in spans:
        if span.end <= start or span.start >= end:
            continue
        pieces += (text[start : max(start, span.start)], instead)
        start = span.end
    return "".join((*pieces, text[start:end]))


def _beyond_ascii(text: str) -> list[tuple[int, str]]:
    """The windows of a text that have other characters than ASCII, and where they begin; each reaches into the next."""
    if text.isascii():
        return []
    windows = ((start, text[start : start + WINDOW + CONTEXT]) for start in range(0, len(text), WINDOW))
    return [(start, window) for start, window in windows if not window.isascii()]


def _span(assigned: Assigned) -> Span:
    return Span(assigned.start, assigned.end, assigned.verdict.rule, assigned.key)


def _whole_token(text: str, start: int, end: int) -> tuple[int, int]:
    """The place of the token that a value is a part of: what is left of it must not look like another secret."""
    if text[start:end].isalpha():
        return start, end  # a word is found as a word only
    front = text[max(0, start - CONTEXT) : start]
    front = "" if _COLOURED.search(front[-20:]) else front
    return start - len(front) + len(front.rstrip(_OF_TOKENS)), _REST_OF_TOKEN.match(text, end, end + CONTEXT).end()  # type: ignore[union-attr]  # it matches nothing as well


def _end_of_token(text: str, at: int) -> int:
    rest = _REST_OF_TOKEN.match(text, at)
    return rest.end() if rest else at


def _merged(found: list[Span]) -> list[Span]:
    # Of those that begin together, the one that says most gives its name: a format, a key, that the value is known.
    found.sort(key=lambda span: (span.start, span.rule == KNOWN_RULE, span.key != ""))
    merged: list[Span] = []
    for span in found:
        if merged and span.start < merged[-1].end:
            last = merged[-1]
            merged[-1] = last._replace(end=max(last.end, span.end), key=last.key or span.key)
        else:
            merged.append(span)
    return merged
