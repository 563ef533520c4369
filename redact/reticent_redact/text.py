"""Where the secrets are in a text: by the rules for values, the values registered, and `key=value` of secret keys.

All spans are found in the text as it came and merged before anything is replaced, so no rule sees another's marker and
redacting the result again changes nothing. The work is linear: a rule is tried only where its literal stands, looks a
bounded distance ahead, and what it took is not looked at again.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from reticent_redact import names, values
from reticent_redact.policy import MARKER, marker

UNSCANNED_RULE = "unscanned"
REGISTERED_RULE = "registered"
SHORTEST_REGISTERED = 8

REACH = 64 * 1024
"""No rule needs to see more than this much after the beginning of a secret to know it for one."""

CONTEXT = 1024
"""No rule needs to see more than this much before a secret."""

_KEY_LITERALS = frozenset({"pass", "pwd", "secret", "token", "key", "cred", "auth", "sig=", "signature="})
_KEY_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
_KEY_BEFORE = 64

_HEAD = re.compile(
    r"""(?=(?P<key>[\w.-]{1,64}))(?P=key)(?P<quote>\\{0,3}["'`])?(?(quote)\]?)"""
    r"""(?:[ \t]{0,8}(?P<assigns>=>|:=|==|=|:(?!//))[ \t]{0,8}|[ \t]{1,8}(?=[^\s-]))""",
    re.ASCII,
)
"""From inside a key to its value: `key=`, `"key": `, `["key"] = `, `--key `.

The look ahead takes the key in one piece: what does not fit is not tried again with less of it.
"""

_OPENING = re.compile(r"""(?:[A-Za-z_]{0,24}\()?[bBrRfFuU]{0,2}(?P<mark>"{3}|'{3}|["'`]|\\{1,3}["'])""")
_UNESCAPED = r"(?:(?<!\\)|(?<=[^\\]\\\\))"
_CLOSING = {mark: re.compile(rf"{_UNESCAPED}{mark}|\n|\Z") for mark in ('"', "'", "`")} | {
    mark: re.compile(rf"{_UNESCAPED}{mark}|\Z") for mark in ('"""', "'''")
}
_CLOSING_IN_STRING = re.compile(r"""\\{1,3}["']|["'\n]|\Z""")  # JSON in a JSON string
"""A quoted value ends at its mark, or with its line."""

_SCHEME = "(?i:bearer|basic|token|digest|negotiate|apikey|aws4-hmac-sha256)"  # of an Authorization header
_BARE = re.compile(
    rf"(?:{_SCHEME}[ \t]{{1,4}})?(?!{_SCHEME}(?:\s|\Z))"
    r"""(?P<value>\$\{\w{1,64}\}|\\\\|[^\s"'`,;:=)}\]&|\\])""",
    re.ASCII,
)
_BARE_END = re.compile(
    # Punctuation ends the value where something else begins, and is part of it otherwise.
    r"""\s|\Z|(?<!\\)\\(?=["'`])|["'`,;&)}\]<>](?=\s|\Z|["'`,;&)}\]<>]|[\w.-]{1,64}[ \t]?[=:])""",
    re.ASCII,
)
_IN_QUERY = re.compile(r"""[^\s&#"'`<>\\]+""")
_PEEK = 256
_SHORT = 1024

_REST_OF_TOKEN = re.compile(r"[A-Za-z0-9_-]*")
_RULE_IDS = {rule.id for rule in values.RULES} | names.RULES | {UNSCANNED_RULE, REGISTERED_RULE}
_LONGER_IN_LOWER_CASE = "\u0130"  # no other character is


class Span(NamedTuple):
    """A secret's place in a text, and the rule that found it."""

    start: int
    end: int
    rule: str


class Scanner:
    """Finds secrets in text. `judge` gives the verdict for a key; `literals` are what else a secret key may contain."""

    def __init__(self, judge: Callable[[str], names.Verdict | None], literals: Iterable[str]) -> None:
        self._judge = judge
        self._key_literals = tuple(sorted(_KEY_LITERALS.union(literals)))
        self._rules = tuple((literal, rule) for rule in values.RULES for literal in rule.literals)
        self._literals = (*self._key_literals, *(literal for literal, _ in self._rules))
        self._registered: tuple[str, ...] = ()
        self._lock = threading.Lock()
        self.shortest = values.SHORTEST

    def register(self, secret: str) -> None:
        """Find this value wherever it stands from now on, as it is and as it is written inside JSON."""
        forms = {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
        forms.add(secret.encode("utf-8", "surrogatepass").decode("latin-1"))  # as it stands in a binary file
        with self._lock:
            self._registered = tuple(sorted(forms.union(self._registered), key=len, reverse=True))
            self.shortest = SHORTEST_REGISTERED

    def inherit(self, other: Scanner) -> None:
        """Find the values that another scanner finds, too."""
        with self._lock:
            self._registered = tuple(sorted({*self._registered, *other._registered}, key=len, reverse=True))
            self.shortest = min(self.shortest, other.shortest)

    @property
    def knows_values(self) -> bool:
        return bool(self._registered)

    def is_marker(self, text: str) -> bool:
        """Whether the text is one of our markers and nothing else."""
        found = MARKER.fullmatch(text)
        return found is not None and found[1] in _RULE_IDS

    def spans(self, text: str) -> list[Span]:
        """The secrets in a text, in order and apart. A marker that is there already is a wall: none reaches across it."""
        text, folded = _prepared(text)
        if len(text) <= _SHORT and not any(map(folded.__contains__, self._literals)) and not self._registered:
            return []
        return _merged([*self._by_value(text, folded), *self._by_key(text, folded)])

    def spans_by_value(self, text: str) -> list[Span]:
        """The same without `key=value`: for a rendered structure, whose quotes and keys are not the text's own."""
        return _merged(list(self._by_value(*_prepared(text))))

    def spans_in_bytes(self, content: bytes) -> list[Span]:
        """The secrets known by their value in bytes that are no text."""
        return list(self._by_value(content.decode("latin-1"), content.lower().decode("latin-1")))

    def _by_value(self, text: str, folded: str) -> Iterator[Span]:
        for secret in self._registered:
            at = text.find(secret)
            while at >= 0:
                yield Span(at, at + len(secret), REGISTERED_RULE)
                at = text.find(secret, at + len(secret))
        for literal, rule in self._rules:
            at, reach = folded.find(literal), 0
            while at >= 0:
                after = at + len(literal)
                match = rule.compiled.match(text, at)
                if match is not None:
                    group = "secret" if "secret" in rule.compiled.groupindex else 0
                    if rule.valid(match[group]):
                        after = match.end(group)
                        # The rest of the word goes too: what follows a marker must not look like a beginning.
                        reach = reach if after <= reach else _end_of_token(text, after)
                        yield Span(match.start(group), reach, rule.id)
                at = folded.find(literal, after)

    def _by_key(self, text: str, folded: str) -> Iterator[Span]:
        for literal in self._key_literals:
            at = folded.find(literal)
            while at >= 0:
                after = at + len(literal)
                head = _HEAD.match(text, at)
                span = self._value_after(text, at, head) if head is not None else None
                if span is not None:
                    yield span
                    after = span.end
                at = folded.find(literal, after)

    def _value_after(self, text: str, at: int, head: re.Match[str]) -> Span | None:
        before = text[max(0, at - _KEY_BEFORE) : at]
        start = at - (len(before) - len(before.rstrip(_KEY_CHARACTERS)))
        key = text[start : head.end("key")]
        if head["assigns"] is None and (head["quote"] or not key.startswith("--")):
            return None
        verdict = self._judge(key.lstrip("-"))
        if verdict is None or verdict is names.KEPT:
            return None
        place = None
        if head["assigns"] == "=" and text[max(0, start - 1) : start] in {"?", "&"}:
            place = _place_in_query(text, head.end(), verdict.certain)
        elif verdict.certain:
            place = _place(text, head.end(), bool(head["quote"]))
        if place is None:
            return None
        value = text[slice(*place)]
        return None if values.says_nothing(value) or values.is_code(value) else Span(*place, verdict.rule)


def mask(text: str, spans: Iterable[Span], start: int, end: int) -> str:
    """`text[start:end]` with a marker for each span in it."""
    pieces: list[str] = []
    for span in spans:
        if span.end <= start or span.start >= end:
            continue
        pieces += (text[start : max(start, span.start)], marker(span.rule))
        start = span.end
    return "".join((*pieces, text[start:end]))


def _place(text: str, at: int, key_is_quoted: bool) -> tuple[int, int] | None:
    """From where to where the value reaches that begins at `at`."""
    opening = _OPENING.match(text, at)
    if opening is not None:
        closing = _CLOSING.get(opening["mark"], _CLOSING_IN_STRING).search(text, opening.end())
        return (opening.end(), closing.start()) if closing else None
    # After a quoted key (JSON, a dict) what has no quotes is a number, a literal or a container.
    bare = None if key_is_quoted else _BARE.match(text, at)
    end = _BARE_END.search(text, bare.end()) if bare else None
    return (bare.start("value"), end.start()) if bare and end else None


def _place_in_query(text: str, at: int, certain: bool) -> tuple[int, int] | None:
    beginning = _IN_QUERY.match(text, at, at + _PEEK)
    if beginning is None or not (certain or values.looks_like_query_credential(beginning[0])):
        return None
    whole = _IN_QUERY.match(text, at)
    return whole.span() if whole else None


def _end_of_token(text: str, at: int) -> int:
    rest = _REST_OF_TOKEN.match(text, at)
    return rest.end() if rest else at


def _prepared(text: str) -> tuple[str, str]:
    """The text with its markers blanked, and the same in lower case, every character where it was."""
    if "[REDACTED:" in text:
        text = MARKER.sub(_wall, text)
    return text, text.replace(_LONGER_IN_LOWER_CASE, "i").lower()


def _merged(found: list[Span]) -> list[Span]:
    found.sort(key=lambda span: span.start)  # stable: of two from one place, the value rule gives its name
    merged: list[Span] = []
    for span in found:
        if merged and span.start < merged[-1].end:
            last = merged[-1]
            merged[-1] = last._replace(end=max(last.end, span.end))
        else:
            merged.append(span)
    return merged


def _wall(marker: re.Match[str]) -> str:
    return "\n" * len(marker[0]) if marker[1] in _RULE_IDS else marker[0]
