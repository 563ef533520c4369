"""Values that are known to be secret in this process: they are found wherever they stand, however they are written.

What is known: what the user registers, the values of environment variables with secret names, `.netrc`, and every value
that was hidden because of its key.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from reticent_redact.literals import Literals, fold

if TYPE_CHECKING:
    from pathlib import Path

SHORTEST = 8
"""A value of fewer characters is found by its key only: it would be found in what is no secret."""

MOST = 10_000
"""Values learned from keys beyond this many are not learned: a key whose values are that many is no password."""

LONGEST = 1024
"""A longer value is not learned: it is a text, and stands in others in parts."""

_LONG_WORD = 12
_RECENT = 32
_LONG = 16 * 1024
"""Characters: making an automaton is cheaper than looking for the recent values one by one in a longer text."""
_WORD = re.compile(r"[^\W\d_]+")


class Known:
    """The values, in all the forms that they are looked for. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[str, None] = {}
        self._forms: dict[str, bool] = {}
        """Each form, and whether it counts only as a word of its own."""
        self._recent: tuple[str, ...] = ()
        self._settled: dict[str, tuple[int, ...]] = {}
        """How forms begin, as `_literals` finds it, and how long those are that begin so, the longest first."""
        self._literals: Literals | None = None
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
                self._values[value] = None
                is_word = _WORD.fullmatch(value) is not None
                for form in _forms(value):
                    if form not in self._forms:
                        self._forms[form] = is_word
                        self._recent = (*self._recent, form)
                self.generation += 1
            if len(self._recent) > _RECENT + len(self._forms) // 3:
                self._settle()

    def learn(self, value: str) -> None:
        """`add` a value that was hidden because of its key, while there are not too many.

        Not a word: `secret: training` would take the name of `training_loss`, and of every metric like it.
        """
        is_word = len(value) < _LONG_WORD and _WORD.fullmatch(value) is not None
        if len(self._values) < MOST and len(value) <= LONGEST and not is_word:
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
        self.add(other._values)

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        """From where to where each value reaches that stands in the text."""
        if self._recent and len(text) > _LONG:
            with self._lock:
                self._settle()
        for form in self._recent:
            at = text.find(form)
            while at >= 0:
                if self._counts(text, at, form):
                    yield at, at + len(form)
                at = text.find(form, at + len(form))
        if self._literals is not None:
            done, lengths = 0, tuple(self._settled.values())
            for at, number in self._literals.find(text):
                end = self.end(text, at, lengths[number])
                if end > done:
                    yield at, end
                    done = end

    def beginnings(self) -> dict[str, tuple[int, ...]]:
        """How all forms begin, and the lengths of those that begin so; for who looks for them with a pass of their own."""
        with self._lock:
            if self._recent:
                self._settle()
            return self._settled

    def end(self, text: str, at: int, lengths: tuple[int, ...]) -> int:
        """Where the longest value ends that begins at `at` and has one of these lengths; -1 if none does."""
        for length in lengths:
            form = text[at : at + length]
            if at >= 0 and form in self._forms and self._counts(text, at, form):
                return at + length
        return -1

    def _settle(self) -> None:
        alike: dict[str, set[int]] = {}
        for form in self._forms:
            alike.setdefault(fold(form[:SHORTEST]).decode("latin-1"), set()).add(len(form))
        self._settled = {beginning: tuple(sorted(lengths, reverse=True)) for beginning, lengths in alike.items()}
        self._recent, self._literals = (), Literals(self._settled)

    def _counts(self, text: str, at: int, form: str) -> bool:
        if not self._forms[form]:
            return True
        end = at + len(form)
        return not (text[max(0, at - 1) : at].isalnum() or text[end : end + 1].isalnum())


def _forms(value: str) -> set[str]:
    """The value as it stands in text, in JSON, in a URL, in HTML, in base64 and in the bytes of a binary file."""
    import html  # these three take a while, and are not needed before something is known
    import json
    import urllib.parse

    raw = value.encode("utf-8", "surrogatepass")
    forms = {value, repr(value)[1:-1], raw.decode("latin-1")}
    for ascii_only in (True, False):
        escaped = json.dumps(value, ensure_ascii=ascii_only)[1:-1]
        forms |= {escaped, json.dumps(escaped, ensure_ascii=ascii_only)[1:-1]}  # and in JSON that is a string in JSON
    escaped = html.escape(value)
    # As text, in XML too, and with the references that some libraries have for quotes.
    forms |= {escaped, html.escape(value, quote=False), escaped.replace("&quot;", "&#34;").replace("&#x27;", "&#39;")}
    for text in (urllib.parse.quote(raw, safe=""), urllib.parse.quote(raw), urllib.parse.quote_plus(raw)):
        forms |= {text, re.sub("%[0-9A-F]{2}", lambda code: code[0].lower(), text)}
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for before in range(3):  # how it stands in the base64 of a longer text: without what its neighbours share
            encoded = encode(b"\0" * before + raw).decode().rstrip("=")
            first = (0, 2, 3)[before]
            last = len(encoded) - ((before + len(raw)) % 3 > 0)
            forms.add(encoded[first:last])
    return {form for form in forms if len(form) >= SHORTEST}


def of_netrc(path: Path | None = None) -> list[str]:
    """The passwords in `.netrc` (or where `NETRC` says); none if there is no such file, or it cannot be read."""
    import netrc  # not before a process needs it
    from pathlib import Path

    place = path or Path(os.environ.get("NETRC") or Path.home() / ".netrc")
    with contextlib.suppress(OSError, netrc.NetrcParseError, UnicodeDecodeError, RuntimeError):
        return [password for _, _, password in netrc.netrc(place).hosts.values() if password]
    return []
