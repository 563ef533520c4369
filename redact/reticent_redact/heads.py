"""From a key in text to where its value begins, in all the ways that a text has for it."""

from __future__ import annotations

import re
from typing import NamedTuple

from reticent_redact import names, vocabulary
from reticent_redact.later import later

_KEY_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
_KEY_BEFORE = 64
_FRONT = 128
"""Characters before a key that tell what it is there."""
_CALL = 48
_OPENS = "\"'\\ \t\n"
_NAMESPACE = 32
"""Characters between `<` and an element's own name."""

IN_TWO = later(r"(?:key|token|phrase|word|secret|pass(?:word)?|(?:de )?passe)s?", re.IGNORECASE)
"""What a key is in two words with a space between them: `API key: ...`."""
_KEY = later(rf"""[\w.-]{{1,64}}(?:[ ](?i:{IN_TWO.pattern})(?=["'`]?\*{{0,2}}[ ]?[:=]))?""")
_COLOUR = r"\x1b\[[0-9;]{0,16}m"
FIELD = (
    r"""(?:,\s{0,8}\\{0,3}["'][\w.-]{1,48}\\{0,3}["']\s{0,4}:\s{0,4}"""
    r"""(?:\\{0,3}["'][^"'\\\n]{0,96}\\{0,3}["']|[\w.+-]{1,24}))"""
)
"""Another field of the object whose fields are a name and its value."""
_TO_COLOUR = later(rf"[\s\S]*{_COLOUR}")
_BEHIND = later(
    r"""(?P<quote>\\{0,3}["'`])?(?(quote)[\])]?)"""
    # As Markdown and terminals set a key apart: `**key**: `.
    rf"""(?:(?(quote)|(?:\*{{1,2}}(?=[ \t]{{0,4}}:)|{_COLOUR}){{0,3}})"""
    r"""[ \t]{0,8}(?P<assigns>=>|::?=|==|\?=|\+=|!=(?=[ ]?["'])|=|:(?!//)|->|%3[DdAa](?:%20|\+)?)"""
    rf"""(?(quote)\s{{0,8}}|(?:\*{{1,2}}(?=[ \t])|{_COLOUR}|[ \t]){{0,8}})"""
    rf"""|(?(quote)(?:(?:{FIELD}{{0,3}}"""
    r""",\s{0,8}\\{0,3}["'](?i:value|val)\\{0,3}["']\s{0,4}:\s{0,4}"""
    r"""|[ \t]{0,2}/?>\s{0,64}<(?i:value)>|\s{1,4}(?i:value)\s{0,2}=\s{0,2})(?P<named>)"""
    r"""|(?P<argument>,\s{0,8})|(?P<block>[ \t]{1,4}\{)"""
    r"""|(?P<attribute>[^<>\n]{0,64}(?<!/)>\s{0,64}(?:<!\[CDATA\[)?)(?=[^<\s]))"""
    r"""|(?:(?P<element>(?:[ \t][^<>\n]{0,128})?>(?:[ \t]{0,8}\r?\n[ \t]{0,64}"""
    r"""|[ \t]{1,64}(?=[^<\n]{1,512}</))?(?:<!\[CDATA\[)?)(?=[^<\s])"""
    r"""|(?:[ \t]{0,4}\r?\n[ \t]{1,40}(?i:value)[ \t]{0,4}:[ \t]{1,8}"""
    r"""|[ \t]{1,4}(?i:value)[ \t]{0,2}=[ \t]{0,2}(?=["']))(?P<below>)"""
    r"""|(?P<sibling></(?i:name|key)>\s{0,64}<(?i:value|string)>\s{0,64}(?:<!\[CDATA\[)?)(?=[^<\s])"""
    r"""|(?P<call>\()(?=[bBrRfFuU]{0,2}["'])"""
    r"""|(?P<space>[ \t]{1,8}(?:\\\r?\n[ \t]{0,32})?)(?=[^\s-]))))?""",
)
"""From a key's end to its value: `key=`, `"key": `, `["key"] = `, `--key `, `<key>`, `"name": "key", "value": `,
`<key>key</key><string>`."""

_SETS = later(
    r"(?:env|environ|config|conf|get|set|put|add|option|property|param|header|define|default|field|secret)\w{0,12}"
    r"\(\s{0,8}\\{0,3}[\"']\Z",
    re.ASCII | re.IGNORECASE,
)
"""A call whose second argument is the value of the key that is its first: `getenv("key", `, `.option("key", `."""

_PAIR = later(r"(?:\A|[^\w)\]])[\[(]\s{0,8}\\{0,3}[\"']\Z")
_SECOND = later(r"\\{0,3}[\"'][^\"'\n]{6,512}[\"']\s{0,8}[)\]]")
_NEXT_ARGUMENT = later(r"\\{0,3}[\"'][^\"'\s-][^\"'\s]{5,512}[\"']\s{0,8}[,\])]")
"""`("key", "value")`, one of the pairs that a mapping is often written as; `"--key", "value"` of a command in a list."""
_NAMES = later(r"<[A-Za-z][^<>\n]{0,96}[ \t](?i:name|key)[ \t]?=[ \t]?[\"']\Z", re.ASCII)

_NEXT_LINE = later(r"\r?\n[ \t]{0,8}(?=[^\s\"'#:={}\[\](),]{8,128}[ \t]{0,8}\r?(?:\n|\Z))")
"""A key alone on its line, as a prompt is: the value stands alone on the next one."""

_OFFERS = later(r"(?i:argument|option)\([^()]{0,64}\Z")
_VARIABLE = later(r"\bvariable[ \t]{1,4}\"\Z")
_DEFAULT = later(r"(?:(?!(?:argument|option)\()[^{}]){0,300}?\bdefault[ \t]{0,16}=[ \t]{0,8}")
_SETTER = later(r"(?:set|with|use|put)_?(?![a-z])|set_", re.ASCII)
_SCHEME = "(?i:bearer|basic|token|digest|negotiate|apikey|aws4-hmac-sha256)"
_ONE_WORD = later(
    r"""[^\s"'`(){}<>,;=]{6,256}[ \t]{0,8}\r?(?:\n|\Z|[ \t]machine[ \t])"""
    rf"""|(?P<mark>["'])(?:{_SCHEME}[ \t])?[^\s"']{{6,512}}(?P=mark)[ \t]{{0,8}};?[ \t]{{0,8}}\r?(?:\n|\Z)"""
)
"""What ends a line: `ENV KEY value`, `#define KEY "value"`, `password value`."""
_IN_PARENTHESES = later(r"\((?:\s{0,64}|[ \t]{0,8}\r?\n[+-]?[ \t]{0,64})(?=[bBrRfFuU]{0,2}[\"'])")
_ANNOTATION = later(
    r"[A-Za-z][\w.]{0,40}(?:\[[\w.,| \[\]]{0,64}\])?(?:[ ]?\|[ ]?[\w.]{1,40}){0,3}[ \t]{0,4}=[ \t]{0,4}"
    r"(?=[bBrRfFuU]{0,2}[\"']|[A-Za-z_.]{1,40}\()",
    re.ASCII,
)
_TAGS = later(r"(?:[&!][\w!./:-]{0,64}[ \t]{1,4}){1,2}(?=[^\s])", re.ASCII)


class Head(NamedTuple):
    """A key in a text, and where its value begins: -1 if none is assigned to it there.

    `assigns` is the sign between them, `front` the character before the key. An `element`'s value reaches to the next
    tag. It is `doubtful` whether the value is that key's where nothing but its place says so.
    """

    key: str
    start: int
    end: int
    at: int = -1
    assigns: str = ""
    front: str = ""
    quoted: bool = False
    element: bool = False
    doubtful: bool = False


def key_at(text: str, at: int) -> tuple[int, int]:
    """From where to where the key reaches that has a literal at `at`; of no length if there is none."""
    found = _KEY.match(text, at)
    if found is None:
        return at, at
    before = text[at - _KEY_BEFORE if at > _KEY_BEFORE else 0 : at]
    if "\x1b" in before:
        before = _TO_COLOUR.sub("", before)  # its last letter is no part of the key
    return at - len(before) + len(before.rstrip(_KEY_CHARACTERS)), found.end()


def head(text: str, start: int, end: int) -> Head:
    """The key in `text[start:end]` and what follows it."""
    key = text[start:end]
    name, front = key.lstrip("-"), text[start - 1 : start] if start else ""
    found = _BEHIND.match(text, end)
    kind = found.lastgroup if found is not None else None
    if found is None or kind is None or kind == "quote":
        return Head(name, start, end, quoted=kind is not None)
    quoted = found["quote"] is not None
    if kind == "assigns":
        assigns, at = found["assigns"], found.end()
        if assigns == ":":
            more = _TAGS.match(text, at) if quoted else _ANNOTATION.match(text, at) or _TAGS.match(text, at)
            at = more.end() if more else at
        opened = _IN_PARENTHESES.match(text, at) if assigns == "=" and not quoted else None
        at = opened.end() if opened else at
        line = None if quoted else _NEXT_LINE.match(text, at)
        is_weak = assigns in ("->", "+=") or assigns.startswith(("%3A", "%3a")) or "*" in text[end : found.end()]
        doubtful = is_weak or " " in name or line is not None or opened is not None
        at = line.end() if line else at
        return Head(name, start, found.end("assigns"), at, assigns, front, quoted, doubtful=doubtful)
    at, element, doubtful = -1, False, False
    before = text[max(0, start - _FRONT) : start]
    if kind in ("named", "below"):
        at, element = found.end(), text[found.end() - 1] == ">"
    elif kind == "sibling" and front == ">":
        at, element = found.end(), True
    elif kind == "attribute" and _NAMES.search(before):
        at, element, doubtful = found.end(), True, True
    elif kind == "element" and (front == "<" or (front == ":" and "<" in before[-_NAMESPACE:])):
        at, element = found.end(), True
    elif kind == "space" and key.startswith("--"):
        at = found.end()
    elif kind == "space" and (key[0] == "-" or _ONE_WORD.match(text, found.end())):
        at, doubtful = found.end(), True
    elif kind == "call":
        called = key.rpartition(".")[2]
        if _SETTER.match(called) or ("." in key and tuple(names.words(called)) in vocabulary.SECRET):
            at, doubtful = found.end(), True
    elif (kind == "block" and _VARIABLE.search(before)) or (
        kind == "argument" and key[0] == "-" and _OFFERS.search(before)
    ):
        default = _DEFAULT.match(text, found.end())
        at, doubtful = (default.end(), True) if default else (-1, False)
    elif kind == "argument" and (
        (key[0] == "-" and _NEXT_ARGUMENT.match(text, found.end()))
        or (before.rstrip(_OPENS)[-1:] == "(" and _SETS.search(before[-_CALL:]))
        or (_PAIR.search(before) and _SECOND.match(text, found.end()))
    ):
        at, doubtful = found.end(), True
    return Head(name, start, end, at, "", front, quoted, element, doubtful)
