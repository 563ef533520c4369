"""`key=value` in text, in the ways that text has for it: configuration, JSON, code, command lines, YAML, XML.

Looked for where a literal of `keys` stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from reticent_redact import names, plausible
from reticent_redact.heads import FIELD, Head, head, key_at
from reticent_redact.later import later

_VALUE_BEFORE = later(
    r"""(?<!\w)(?i:value|val)\\{0,3}["']?\s{0,4}[:=]\s{0,4}(?P<mark>\\{0,3}["'])(?P<value>[^"'\n]{1,256}?)(?P=mark)"""
    rf"""(?:\s{{0,4}}{FIELD}){{0,3}}"""
    r"""\s{0,4},?\s{0,32}(?:\\{0,3}["'])?(?i:name|key)(?:\\{0,3}["'])?\s{0,4}[:=]\s{0,4}\\{0,3}["']\Z"""
)
"""`"value": "...", "name": "key"`: the value comes before its key."""
_NAME_BEFORE = later(r"""(?i:name|key)(?:\\{0,3}["'])?\s{0,4}[:=]\s{0,4}\\{0,3}["']\Z""")
_VALUE_REACH = 384

_GETS = later(
    "_{0,2}(?:get|load|read|open|fetch|input|prompt|ask|env|lookup|find|resolve|import|require|path|purepath|posixpath"
    "|windowspath|ref|file|sub|join|len|int|float|encode|decode|strip|split|replace|format)",
    re.IGNORECASE,
)
"""Calls whose argument says where a value comes from, or what is done with it."""
_OPENING = later(
    r"""(?:(?=(?P<call>[A-Za-z_][\w.]{0,96}))(?P=call)\((?:(?:[^()\n]{0,96},[ ]?)?default=|[a-z_]{1,16}=)?)?"""
    r"""[bBrRfFuU]{0,2}(?P<mark>"{3}|'{3}|["'`]|\\{1,3}["'])""",
    re.ASCII,
)
_HOLDS = later(r"(?i:secret|field|str|bytes|string|password)\w{0,16}\Z", re.ASCII)
"""A call that makes nothing of a text but a secret, or the default of a field."""
_UNESCAPED = r"(?:(?<!\\)|(?<=[^\\]\\\\))"
_ADJACENT = later(
    r"""(?:["'](?:[ \t]{1,16}|[ \t]{0,16}\r?\n[+-]?[ \t]{0,64})[bBrRfFuU]{0,2}["'][^"'\n]{0,1024}){1,64}(?=["'])"""
)
"""The strings that Python makes one with the one before them, in parentheses."""
_CLOSING = {mark: later(rf"{_UNESCAPED}{mark}|\n|\Z") for mark in ('"', "'", "`")} | {
    mark: later(rf"{_UNESCAPED}{mark}|\Z") for mark in ('"""', "'''")
}
_CLOSING_IN_STRING = later(r"""\\{1,3}["']|["'\n]|\Z""")  # JSON in a JSON string
"""A quoted value ends at its mark, or with its line."""

_SCHEME = "(?i:bearer|basic|token|digest|negotiate|apikey|aws4-hmac-sha256)"  # of an Authorization header
_BARE = later(
    rf"(?:{_SCHEME}[ \t]{{1,4}})?(?!{_SCHEME}(?:\s|\Z))"
    rf"""(?P<value>{plausible.REFERENCE}|\\\\|[^\s"'`,;:=)}}\]&|\\])""",
    re.ASCII,
)
_BARE_RUN = later(r"""[^\s"'`,;&)}\]<>\\\x1b]*""")
_BARE_END = later(
    # Punctuation ends the value where something else begins, and is part of it otherwise.
    r"""[\s\x1b]|\Z|(?<!\\)\\(?=["'`nrt])|\)(?=:\s)"""
    r"""|["'`,;&)}\]<>](?=\s|\Z|["'`,;&)}\]<>]|[\w.-]{1,64}[ \t]?[=:])""",
    re.ASCII,
)
_BLOCK = later(
    r"[|>][+-]?[ \t]{0,8}\n(?P<value>(?P<indent>[+-]?[ \t]{1,40})[^\n]{1,4096}(?:\n(?P=indent)[^\n]{0,4096}){0,64})"
)
"""A YAML block: `key: |` and the lines that are indented under it."""

_YAML_VALUE = later(r"""(?P<value>[^\s"'`\[{},|>][^\s"'`,]{5,512})[ \t]{0,8}(?:#[^\n]{0,256})?\r?(?:\n|\Z)""")
_QUOTED_FIRST = later(r"""(?:\n|\A)[+-]?[ \t]{0,40}(?:-[ ]{1,4}){0,4}["'`]\Z|\n?[ \t*-]{0,8}`\Z""")

_IN_QUERY = later(r"""[^\s&#"'`<>\\]+""")
_IN_ESCAPED_QUERY = later(r"""(?:(?!%26|%0[Aa])[^\s&"'`<>\\]){1,512}""")
_PEEK = 256
_ELEMENT = later(r"[^<\n]{1,8192}")
_CDATA = later(r"(?:(?!\]\]>)[^\n]){1,8192}")
_LONG = later(
    r"""(?:(?=(?P<call>[A-Za-z_][\w.]{0,96}))(?P=call)\((?:[a-z_]{1,16}=)?)?[bBrRfFuU]{0,2}(?:\\{0,3}["'`]){0,3}"""
    rf"(?:{_SCHEME}[ \t]{{1,4}})?{plausible.UNBROKEN}{{16}}",
    re.ASCII,
)
"""A value that may be a credential, whatever else there is to say about it."""
_LONGEST_MAYBE = 512
"""Under a key that only may name a secret, an unquoted value of more characters is none."""
_SHORTEST_DOUBTFUL = 6
_SHORTEST_LEAF = 4
_LONGEST_NAME = 64


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

    def find(self, text: str, at: int) -> list[Assigned]:
        """The secret values whose key has a literal at `at`."""
        start, end = key_at(text, at)
        verdict = self._judge(text[start:end].lstrip("-"))
        if verdict is None or verdict is names.KEPT:
            return []
        key = head(text, start, end)
        if key.at < 0:
            places = self._before(text, key, verdict)
        else:
            has_more = key.assigns == ":" or text[key.at : key.at + 1] in ("[", "{")
            places = list(self._nested(text, key, verdict)) if has_more else []
            if not places and (verdict.certain or key.front in ("?", "&") or _LONG.match(text, key.at)):
                place = self._place(text, key, verdict)
                places = [place] if place is not None else []
        if not places and not key.assigns:  # what looks like a pair may be two names of columns
            return list(self._columns(text, key, verdict))
        return [Assigned(*place, key.key, verdict) for place in places]

    def _place(self, text: str, key: Head, verdict: names.Verdict) -> tuple[int, int] | None:
        """The place of the one value behind a key, if it is a secret."""
        in_query = key.assigns == "=" and key.front in ("?", "&")
        certain = verdict.certain and not names.is_plural(key.key)  # `secrets:` begins a list of names as well
        doubtful = key.doubtful
        if in_query:
            place = _place_in_query(text, key.at, verdict)
        elif key.assigns.startswith("%"):
            escaped = _IN_ESCAPED_QUERY.match(text, key.at)
            place = escaped.span() if escaped else None
        elif key.element:
            element = (_CDATA if text[key.at - 1] == "[" else _ELEMENT).match(text, key.at)
            place = element.span() if element else None
        else:
            opening = _OPENING.match(text, key.at)
            if opening is not None and opening["call"] and _GETS.match(opening["call"].rpartition(".")[2]):
                return None
            if opening is not None and key.front == opening["mark"] and not key.quoted:
                place = None  # `prompt='Password: '`: the mark closes what it stands in
            elif opening is None:
                place = _unquoted(text, key, certain)
            else:
                place = _quoted(text, opening)
                more = _ADJACENT.match(text, place[1]) if place and "(" in text[key.end : key.at] else None
                place = (place[0], more.end()) if place and more else place
                doubtful = doubtful or (opening["call"] is not None and _HOLDS.search(opening["call"]) is None)
        if place is None or not self._is_secret(text, place, verdict, certain or in_query):
            return None
        value = text[slice(*place)]
        if self._is_a_name(value, key) or (key.assigns == "=" and plausible.is_expression_at(text, place[0])):
            return None
        if doubtful and not (len(value) >= _SHORTEST_DOUBTFUL and plausible.is_mixed(value) and value[0] not in "-/.~"):
            return None
        return place

    def _is_a_name(self, value: str, key: Head) -> bool:
        """Whether a value is the name of a variable: `self._secret = value`, `password=db_password`."""
        if value in (key.key, key.key.upper()):
            return True
        if not value.replace("_", "").isalpha() or not value.isascii():
            return False
        of_object = key.key.startswith(("self.", "cls.", "this.")) and key.assigns == "="
        return of_object or ("_" in value and self._names_secret(value))

    def _is_secret(self, text: str, place: tuple[int, int], verdict: names.Verdict, certain: bool) -> bool:
        value, before = text[slice(*place)], text[place[0] - 1 : place[0]]
        if not (certain or plausible.looks_like_credential(value)):
            return False
        if before == "`" and " " in value:
            return False  # a shell's command, whose output is the value
        shown = value[:_PEEK]
        if plausible.says_nothing(value) or (plausible.is_stand_in if certain else plausible.is_filler)(shown):
            return False
        if before in ('"', "'", "`"):
            if plausible.is_no_text(value):
                return False
        elif plausible.is_code(value) or plausible.is_code_at(text, place[0]):
            return False
        # `secretKey: api-key` in a manifest: no key and no token is a word.
        return not (verdict.rule.endswith(("-key", "-token")) and plausible.is_word(value))

    def _nested(self, text: str, key: Head, verdict: names.Verdict) -> Iterator[tuple[int, int]]:
        """The places of the secrets in the container behind a key, or on the lines under it."""
        from reticent_redact import nested  # most texts have none, and its patterns take a while to make

        if text[key.at : key.at + 1] in ("[", "{") and key.assigns and text[key.at : key.at + 2] != "{{":
            leaves = nested.inside(text, key.at, self._names_secret)
        elif key.assigns == ":":
            leaves = nested.below(text, key.start, key.end, self._names_secret)
        else:
            return
        for leaf in leaves:
            value = text[leaf.start : leaf.end]
            if (leaf.quoted or (key.assigns == ":" and plausible.is_mixed(value))) and self._is_leaf(
                value, leaf.key, verdict
            ):
                yield leaf.start, leaf.end

    def _is_leaf(self, value: str, key: str, verdict: names.Verdict) -> bool:
        """Whether a value in a container under a secret's name is a secret, and not a word about it or its name."""
        if names.describes(key) or self._names_secret(value):
            return False
        if not verdict.certain:
            return plausible.looks_like_credential(value)
        if len(value) < _SHORTEST_LEAF or plausible.says_nothing(value) or plausible.is_stand_in(value[:_PEEK]):
            return False
        return not (" " in value or plausible.is_word(value.lower()) or plausible.is_code(value))

    def _before(self, text: str, key: Head, verdict: names.Verdict) -> list[tuple[int, int]]:
        """The place of the value in `"value": "...", "name": "key"`."""
        if not key.quoted or _NAME_BEFORE.search(text, max(0, key.start - 24), key.start) is None:
            return []
        begin = max(0, key.start - _VALUE_REACH)
        found = _VALUE_BEFORE.search(text, begin, key.start)
        if found is None or not self._is_secret(text, found.span("value"), verdict, verdict.certain):
            return []
        return [found.span("value")]

    def _columns(self, text: str, key: Head, verdict: names.Verdict) -> Iterator[Assigned]:
        """The values in the columns of the table in whose header a key is, if it is the first one there."""
        if not verdict.certain:
            return
        from reticent_redact import tables  # as above

        for start, end, name in tables.cells(text, key.start, key.end, self._is_certain):
            value = text[start:end]
            if self._names_secret(value):
                return
            own = self._judge(name)
            if own is not None and self._is_leaf(value, "", own):
                yield Assigned(start, end, name, own)

    def _is_certain(self, name: str) -> bool:
        verdict = self._judge(name) if name else None
        return verdict is not None and verdict is not names.KEPT and verdict.certain

    def _names_secret(self, text: str) -> bool:
        return bool(text) and len(text) <= _LONGEST_NAME and self._judge(text) not in (None, names.KEPT)


def _quoted(text: str, opening: re.Match[str]) -> tuple[int, int] | None:
    closing = _CLOSING.get(opening["mark"], _CLOSING_IN_STRING).search(text, opening.end())
    return (opening.end(), closing.start()) if closing else None


def _unquoted(text: str, key: Head, certain: bool) -> tuple[int, int] | None:
    """From where to where a value reaches that stands behind a key without quotes."""
    if certain:
        block = _BLOCK.match(text, key.at)
        if block is not None:
            return block.span("value")
    if key.quoted:
        # What has no quotes after a key that has is a number, a literal or a container in JSON, but a text in YAML.
        line = _YAML_VALUE.match(text, key.at) if certain and key.assigns == ":" else None
        is_secret = line is not None and _begins_line(text, key.start) and plausible.is_mixed(line["value"])
        return line.span("value") if line is not None and is_secret else None
    bare = _BARE.match(text, key.at)
    if bare is None:
        return None
    start = bare.start("value")
    end = _bare_end(text, bare.end(), start + _LONGEST_MAYBE)
    if end is None and certain and not plausible.is_stand_in(text[start : start + _PEEK]):
        end = _bare_end(text, start + _LONGEST_MAYBE, len(text))  # it is a secret now: nobody looks at it again
    return None if end is None else (start, end)


def _begins_line(text: str, start: int) -> bool:
    """Whether the quoted key that begins at `start` is the first on its line."""
    return _QUOTED_FIRST.search(text, max(0, start - 64), start) is not None


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
    if beginning is None or not (verdict.certain or plausible.looks_like_query_credential(beginning[0])):
        return None
    if plausible.is_filler(beginning[0]):
        return None
    whole = _IN_QUERY.match(text, at)
    return whole.span() if whole else None
