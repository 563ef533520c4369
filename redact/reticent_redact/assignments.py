"""`key=value` in text, in the ways that text has for it: configuration, JSON, code, command lines, YAML, XML.

Looked for where the words of secret keys stand. A word that only may name a secret (`token`) is everywhere in the text of
machine learning, so it counts together with what makes it a key: `token=`, `token": "`. After a quoted key comes a quoted
value or none of interest: `"pad_token": 7` is passed over by the first look.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from reticent_redact import names, plausible

_KEY_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
_KEY_BEFORE = 64

_AFTER_BARE = ("=", ":", " =", " :", "  ", "\t", " := ", ">", " =>", "]")
_AFTER_QUOTED = (
    "{q}: {v}",
    "{q}:{v}",
    "{q} : {v}",
    "{q} :{v}",
    "{q}, {v}",
    "{q},{v}",
    "{q}] ",
    "{q}]=",
    "{q} =",
    "{q}=",
    "{q}: b",
    "{q}: f",
    "{q}: r",
    "{q}: u",
    "{q} v",
    "{q}:\n",
    "{q}:  ",
    "{q})",
)

_HEAD = re.compile(
    r"""(?=(?P<key>[\w.-]{1,64}))(?P=key)(?P<quote>\\{0,3}["'`])?(?(quote)[\])]?)"""
    r"""(?:[ \t]{0,8}(?P<assigns>=>|:=|==|=|:(?!//))(?(quote)\s{0,8}|[ \t]{0,8})"""
    r"""|(?P<element>>)(?=[^<\s])"""
    r"""|(?(quote)(?:,\s{0,8}(?:\\{0,3}["'](?i:value|val)\\{0,3}["']\s{0,4}:\s{0,4})?|\s{1,4}(?i:value)\s{0,2}=\s{0,2})"""
    r"""|(?:[ \t]{1,8}(?=[^\s-])|[ \t]{0,4}\r?\n[ \t]{1,40}(?i:value)[ \t]{0,4}:[ \t]{1,8})))""",
    re.ASCII,
)
"""From inside a key to its value: `key=`, `"key": `, `["key"] = `, `--key `, `<key>`, `"name": "key", "value": `.

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
_BARE_RUN = re.compile(r"""[^\s"'`,;&)}\]<>\\]*""")
_BARE_END = re.compile(
    # Punctuation ends the value where something else begins, and is part of it otherwise.
    r"""\s|\Z|(?<!\\)\\(?=["'`nrt])|["'`,;&)}\]<>](?=\s|\Z|["'`,;&)}\]<>]|[\w.-]{1,64}[ \t]?[=:])""",
    re.ASCII,
)
_BLOCK = re.compile(
    r"[|>][+-]?[ \t]{0,8}\n(?P<value>(?P<indent>[ \t]{1,40})[^\n]{1,4096}(?:\n(?P=indent)[^\n]{0,4096}){0,64})"
)
"""A YAML block: `key: |` and the lines that are indented under it."""

_IN_QUERY = re.compile(r"""[^\s&#"'`<>\\]+""")
_PEEK = 256
_NAMESPACE = 32
"""Characters between `<` and an element's own name."""
_ELEMENT = re.compile(r"[^<\n]{1,8192}")
_LONGEST_MAYBE = 512
"""Under a key that only may name a secret, an unquoted value of more characters is none."""


class Assigned(NamedTuple):
    """The place of a value in a text, the key before it, and that key's verdict."""

    start: int
    end: int
    key: str
    verdict: names.Verdict


class Assignments:
    """Finds the values of secret keys. `judge` gives the verdict for a key."""

    def __init__(self, judge: Callable[[str], names.Verdict | None]) -> None:
        self._judge = judge

    def find(self, text: str, at: int) -> Assigned | None:
        """The secret value whose key has a literal at `at`."""
        head = _HEAD.match(text, at)
        if head is None:
            return None
        before = text[max(0, at - _KEY_BEFORE) : at]
        start = at - (len(before) - len(before.rstrip(_KEY_CHARACTERS)))
        key = text[start : head.end("key")]
        front = text[max(0, start - 1) : start]
        if head["element"]:
            if front != "<" and not (front == ":" and "<" in text[max(0, start - _NAMESPACE) : start]):
                return None
        elif head["assigns"] is None and not (
            key.startswith("--") or "value" in text[head.end("key") : head.end()].lower()
        ):
            return None
        key = key.lstrip("-")
        verdict = self._judge(key)
        if verdict is None or verdict is names.KEPT:
            return None
        in_query = head["assigns"] == "=" and front in ("?", "&")
        certain = verdict.certain and not names.is_plural(key)  # `secrets:` begins a list of names as well
        place = _place_in_query(text, head.end(), verdict) if in_query else _place(text, head, certain)
        if place is None or text[place[0] - 1] == "`":  # a shell's command, whose output is the value
            return None
        value = text[slice(*place)]
        if plausible.says_nothing(value) or plausible.is_code(value) or plausible.is_filler(value[:_PEEK]):
            return None
        if verdict.rule.endswith(("-key", "-token")) and plausible.is_word(value):
            return None  # `secretKey: api-key` in a manifest: no key and no token is a word
        if not (certain or in_query or plausible.looks_like_credential(value)):
            return None
        return Assigned(*place, key, verdict)


def _place(text: str, head: re.Match[str], certain: bool) -> tuple[int, int] | None:
    """From where to where the value reaches that begins behind `head`."""
    at = head.end()
    if head["element"]:
        element = _ELEMENT.match(text, at)
        return element.span() if element else None
    opening = _OPENING.match(text, at)
    if opening is not None:
        closing = _CLOSING.get(opening["mark"], _CLOSING_IN_STRING).search(text, opening.end())
        return (opening.end(), closing.start()) if closing else None
    if certain:
        block = _BLOCK.match(text, at)
        if block is not None:
            return block.span("value")
    # After a quoted key (JSON, a dict) what has no quotes is a number, a literal or a container.
    bare = None if head["quote"] else _BARE.match(text, at)
    if bare is None:
        return None
    start = bare.start("value")
    end = _bare_end(text, bare.end(), start + _LONGEST_MAYBE)
    if end is None and certain and not plausible.is_filler(text[start : start + _PEEK]):
        end = _bare_end(text, start + _LONGEST_MAYBE, len(text))  # it is a secret now: nobody looks at it again
    return None if end is None else (start, end)


def _bare_end(text: str, at: int, limit: int) -> int | None:
    """Where an unquoted value ends; None if that is beyond `limit`."""
    while at <= limit:
        run = _BARE_RUN.match(text, at, min(limit + 1, len(text)))
        at = run.end() if run else at
        if _BARE_END.match(text, at):
            return at
        at += 1
    return None


def _place_in_query(text: str, at: int, verdict: names.Verdict) -> tuple[int, int] | None:
    beginning = _IN_QUERY.match(text, at, at + _PEEK)
    if beginning is None or plausible.is_filler(beginning[0]):
        return None
    if not (verdict.certain or plausible.looks_like_query_credential(beginning[0])):
        return None
    whole = _IN_QUERY.match(text, at)
    return whole.span() if whole else None


@lru_cache(maxsize=8)
def key_literals(more: tuple[str, ...] = ()) -> frozenset[str]:
    """What stands where a secret key may; `more` is what a policy's keys contain."""
    found: dict[str, None] = {case: None for word in more for case in _cases(word)}
    for sequence in names.SECRET:
        for joined in {"".join(sequence), "_".join(sequence), "-".join(sequence), ".".join(sequence)}:
            found.update(dict.fromkeys(_cases(joined)))
        found["".join((sequence[0], *(word.capitalize() for word in sequence[1:])))] = None
        found["".join(word.capitalize() for word in sequence)] = None
    for word in names.MAYBE:
        for case in _cases(word):
            found.update(dict.fromkeys(case + tail for tail in _AFTER_BARE))
            for quote in ('"', "'", '\\"'):
                tails = (tail.format(q=quote, v=quote) for tail in _AFTER_QUOTED)
                found.update(dict.fromkeys(case + tail for tail in tails))
    return frozenset(found)


def _cases(word: str) -> tuple[str, str, str]:
    return word.lower(), word.upper(), word.capitalize()
