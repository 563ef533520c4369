"""Values that are known to be secret in this process: they are found wherever they stand, however they are written.

What is known: what the user registers, the values of environment variables with secret names, passwords in the URLs of
others, `.netrc`, and every value that was hidden because of its key.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeAlias

from reticent_redact.literals import Literals, fold

if TYPE_CHECKING:
    from pathlib import Path

SHORTEST = 8
"""A value of fewer characters is found by its key only: it would be found in what is no secret."""

MOST = 10_000
"""Values learned from keys beyond this many are not learned: a key whose values are that many is no password."""

LONGEST = 64 * 1024
"""Characters: a longer value is not learned; no file is scanned in longer pieces than that are sure to hold it."""

ROOM = 16 << 20
"""Characters that the forms of all learned values of more than `_LONG_VALUE` may have; others of them are not learned."""

_LONG_VALUE = 1024
_BEGINNING = 24
"""Characters from the anchor of a long form that must be there before all of it is compared."""
_MOST_BEGINNINGS = 8
"""So often may a long value have what it begins with."""
_MOST_IN_FULL = 1_000
"""Values beyond this many are looked for in the usual forms only."""
_LONG_WORD = 12
_RECENT = 32
_LONG = 16 * 1024
"""Characters: making an automaton is cheaper than looking for the recent values one by one in a longer text."""
_WORD = re.compile(r"[^\W\d_]+")
_HEX_ANCHOR = 16
_HEX_LETTER = re.compile(r"[a-f]")
_URL_SAFE = str.maketrans("+/", "-_")
_BREAKS = str.maketrans("", "", "\r\n")

Anchored: TypeAlias = tuple[str, int, int]
"""A form that is looked for by a part of it, its anchor; from where in it, and of how many characters."""

Shape: TypeAlias = tuple[int, int]
"""Of the form that an anchor is in: how many characters of it stand before the anchor, and how many it has."""


class Known:
    """The values, in all the forms that they are looked for. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._values: dict[str, None] = {}
        self._forms: dict[str, bool] = {}
        """Each form, and whether it counts only as a word of its own."""
        self._beginnings: set[str] = set()
        """Of the long forms, what stands from the anchor on."""
        self._room = ROOM
        self._recent: list[tuple[str, Shape]] = []
        """Anchors, and the shapes that go with them, which are looked for one by one."""
        self._anchors: dict[str, tuple[Shape, ...]] = {}
        """All others, as literals are looked for, with the shapes of the forms that they are in, the longest first."""
        self._settled: tuple[Literals, tuple[tuple[Shape, ...], ...]] | None = None
        self._digest = (b"", -1, "")
        self.generation = 0
        """Grows when a value is added: what was found clean before may not be any more."""

    def __bool__(self) -> bool:
        return bool(self._forms)

    def __contains__(self, value: str) -> bool:
        return value in self._values

    def add(self, values: Iterable[str]) -> None:
        """Find these values from now on; those of fewer than `SHORTEST` characters are ignored."""
        with self._lock:
            for value in values:
                if len(value) < SHORTEST or value in self._values:
                    continue
                is_word = _WORD.fullmatch(value) is not None
                rare = _rare_forms(value) if len(self._values) < _MOST_IN_FULL else ()
                forms = [*_forms(value), *rare]
                for form, at, _ in forms:
                    self._forms.setdefault(form, is_word and form == value)
                    if len(form) > _LONG_VALUE:
                        self._beginnings.add(form[at : at + _BEGINNING])
                        self._room -= len(form)
                found = dict.fromkeys((form[at : at + size], (at, len(form))) for form, at, size in forms)
                self._recent += found
                self._values[value] = None  # only now: whoever is interrupted before does not know it
                self.generation += 1
            if len(self._recent) > _RECENT + len(self._forms) // 4:
                self._settle()

    def learn(self, value: str) -> None:
        """`add` a value that was hidden because of its key, while there are not too many.

        Not a word: `secret: training` would take the name of `training_loss`, and of every metric like it.
        """
        is_word = len(value) < _LONG_WORD and _WORD.fullmatch(value) is not None
        has_room = len(value) <= _LONG_VALUE or (self._room > 0 and not _repeats_itself(value))
        if len(self._values) < MOST and len(value) <= LONGEST and has_room and not is_word:
            self.add((value,))

    def digest(self, key: bytes) -> str:
        """A keyed digest of all values; "" if there are none. The same for the same values, in whatever order learned."""
        if not self._values:
            return ""
        from hashlib import blake2b

        if self._digest[:2] != (key, self.generation):
            digest = blake2b(key=key, digest_size=16)
            for value in sorted(self._values):
                digest.update(blake2b(value.encode("utf-8", "surrogatepass"), key=key).digest())
            self._digest = key, self.generation, digest.hexdigest()
        return self._digest[2]

    def inherit(self, other: Known) -> None:
        self.add(list(other._values))  # which other threads go on to add to

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        """From where to where each value reaches that stands in the text."""
        if self._recent and len(text) > _LONG:
            with self._lock:
                self._settle()
        for anchor, shape in self._recent:
            at = text.find(anchor)
            while at >= 0:
                place = self.place(text, at, (shape,))
                if place is not None:
                    yield place
                at = text.find(anchor, at + 1 if place is None else max(at + 1, place[1]))
        if self._settled is not None:
            literals, shapes = self._settled
            done = 0
            for at, number in literals.find(text):
                place = self.place(text, at, shapes[number])
                if place is not None and place[1] > done:
                    yield place
                    done = place[1]

    def anchors(self) -> dict[str, tuple[Shape, ...]]:
        """The anchors of all forms, and the shapes of these; for who looks for them with a pass of their own."""
        with self._lock:
            if self._recent:
                self._settle()
            return self._anchors

    def place(self, text: str, at: int, shapes: Iterable[Shape]) -> tuple[int, int] | None:
        """From where to where the longest value reaches that has one of these shapes and its anchor at `at`."""
        for before, length in shapes:
            start = at - before
            if start < 0 or (length > _LONG_VALUE and not self._begins(text, at)):
                continue
            form = text[start : start + length]
            if form in self._forms:
                if self._counts(text, start, form):
                    return start, start + length
            elif "\n" in form:
                place = self._broken(text, at, before, length)
                if place is not None:
                    return place
        return None

    def _begins(self, text: str, at: int) -> bool:
        """Whether a long form may stand in a text with its anchor at `at`; line breaks in it do not count."""
        beginning = text[at : at + _BEGINNING + 2]
        return (
            beginning[:_BEGINNING] in self._beginnings or beginning.translate(_BREAKS)[:_BEGINNING] in self._beginnings
        )

    def _broken(self, text: str, at: int, before: int, length: int) -> tuple[int, int] | None:
        """The same for a form that is cut into lines, as base64 and hex often are, of 60 characters or more."""
        breaks = 2 + length // 30
        front = text[max(0, at - before - breaks) : at].translate(_BREAKS) if before else ""
        back = text[at : at + length - before + breaks].translate(_BREAKS)
        whole = front[len(front) - before :] + back[: length - before]
        if len(whole) < length or whole not in self._forms:
            return None
        start, end = at, at
        while before:
            start -= 1
            before, length = (before, length) if text[start] in "\r\n" else (before - 1, length - 1)
        while length:
            length -= text[end] not in "\r\n"
            end += 1
        return start, end

    def _settle(self) -> None:
        shapes: dict[str, set[Shape]] = {}
        recent, before = self._recent.copy(), self._anchors
        for anchor, shape in recent:
            shapes.setdefault(fold(anchor).decode("latin-1"), set()).add(shape)
        more = {anchor: shapes[anchor].union(self._anchors.get(anchor, ())) for anchor in shapes}
        anchors = self._anchors | {
            anchor: tuple(sorted(of, key=lambda shape: -shape[1])) for anchor, of in more.items()
        }
        settled, done = (Literals(anchors), tuple(anchors.values())), len(recent)
        # In each call above, a signal's handler or a collection of garbage may have added some, or done all this.
        if self._anchors is before:
            self._settled = settled
            self._anchors, self._recent = anchors, self._recent[done:]

    def _counts(self, text: str, at: int, form: str) -> bool:
        if not self._forms[form]:
            return True
        end = at + len(form)
        return not (text[max(0, at - 1) : at].isalnum() or text[end : end + 1].isalnum())


def _repeats_itself(value: str) -> bool:
    """Whether pieces of a long value come again and again in it: it is no secret, and to compare it wherever it may begin
    would take very long."""
    pieces = [value[at : at + _BEGINNING] for at in range(0, len(value), _BEGINNING)]
    return len(set(pieces)) < len(pieces) / 2 or max(value.count(piece) for piece in pieces[:4]) > _MOST_BEGINNINGS


def _forms(value: str) -> list[Anchored]:
    """The value as it stands in text, in JSON, in a URL, in HTML, in base64 and in the bytes of a binary file."""
    import html  # these three take a while, and are not needed before something is known
    import json
    import urllib.parse

    raw = value.encode("utf-8", "surrogatepass")
    forms = {value, repr(value)[1:-1], raw.decode("latin-1")}
    for ascii_only in (True, False):
        escaped = value
        for _ in range(3):  # and in JSON that is a string in JSON
            escaped = json.dumps(escaped, ensure_ascii=ascii_only)[1:-1]
            forms.add(escaped)
    escaped = html.escape(value)
    # As text, in XML too, and with the references that some libraries have for quotes.
    forms |= {escaped, html.escape(value, quote=False), escaped.replace("&quot;", "&#34;").replace("&#x27;", "&#39;")}
    for quoted in (urllib.parse.quote(raw, safe=""), urllib.parse.quote(raw), urllib.parse.quote_plus(raw)):
        for once in (quoted, re.sub("%[0-9A-F]{2}", lambda code: code[0].lower(), quoted)):
            twice = once.replace("%", "%25")
            forms |= {once, twice, twice.replace("+", "%2B")}
    encoded = _in_base64(raw)
    forms.update(encoded, (form.translate(_URL_SAFE) for form in encoded))
    return [(form, 0, SHORTEST) for form in forms if len(form) >= SHORTEST]


def _rare_forms(value: str) -> list[Anchored]:
    """The value in hex and twice in base64."""
    raw = value.encode("utf-8", "surrogatepass")
    forms = [(form, 0, SHORTEST) for form in _in_base64(_in_base64(raw)[0].encode()) if len(form) >= SHORTEST]
    # Of hex an anchor is longer, and has a letter: as digits are all alike, eight of them are in every other number.
    letter = _HEX_LETTER.search(raw.hex())
    at = max(0, min(letter.start() - SHORTEST, 2 * len(raw) - _HEX_ANCHOR)) if letter else 0
    return forms + [(form, at, _HEX_ANCHOR) for form in (raw.hex(), raw.hex().upper())]


def _in_base64(raw: bytes) -> list[str]:
    """How bytes stand in the base64 of longer ones: without what their neighbours share; the first as if nothing did."""
    found = []
    for before, first in ((0, 0), (1, 2), (2, 3)):
        encoded = base64.b64encode(b"\0" * before + raw).decode().rstrip("=")
        found.append(encoded[first : len(encoded) - ((before + len(raw)) % 3 > 0)])
    return found


_USERINFO = re.compile(r"://[^/?#\s:@]*:([^/?#\s]+)@")


def in_url(text: str) -> list[str]:
    """The password in a text that is a URL, as it is written there and as it is; none if there is none."""
    found = _USERINFO.search(text) if "://" in text and "@" in text else None
    if found is None:
        return []
    from urllib.parse import unquote  # not before there is such a URL

    return list(dict.fromkeys((unquote(found[1]), found[1])))


def of_netrc(path: Path | None = None) -> list[str]:
    """The passwords in `.netrc` (or where `NETRC` says); none if there is no such file, or it cannot be read."""
    import netrc  # not before a process needs it
    from pathlib import Path

    place = path or Path(os.environ.get("NETRC") or Path.home() / ".netrc")
    with contextlib.suppress(OSError, netrc.NetrcParseError, UnicodeDecodeError, RuntimeError):
        return [password for _, _, password in netrc.netrc(place).hosts.values() if password]
    return []
