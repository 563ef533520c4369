"""A filter or order clause, token by token; and what is said of one that is wrong, where, and what is allowed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NoReturn

from reticent.errors import FilterError

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    | (?P<word>[^\s()<>=!,'"`.]+\.(?:`(?:[^`]|``)+`|"(?:[^"]|"")+") | [^\s()<>=!,'"`]+)
    | (?P<string>'(?:[^']|'')*' | "(?:[^"]|"")*")
    | (?P<operator>[<>=!]+)
    | (?P<mark>[(),])""",
    re.VERBOSE,
)

_SHOWN = 200
"""Characters of a text with a secret that an error shows, sealed."""


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    text: str
    start: int


class Tokens:
    """What a parser reads: `token` is the next one."""

    def __init__(self, text: str, seal: Callable[[str], str], longest: int) -> None:
        if not isinstance(text, str):
            raise FilterError(f"a filter or order clause is a str, not {type(text).__name__}")
        self._text, self._seal = text, seal
        if len(text) > longest:
            self._fail(longest, f"a filter has {longest:,} characters at most")
        self._tokens = self._scan()
        self.token = next(self._tokens)

    def _accept(self, *words: str) -> str:
        """The next token in capitals if it is one of these keywords, and then passed; else an empty text."""
        word = self.token.text.upper() if self.token.kind == "word" else ""
        if word not in words:
            return ""
        self._advance()
        return word

    def _mark(self, mark: str) -> bool:
        if self.token.kind != "mark" or self.token.text != mark:
            return False
        self._advance()
        return True

    def _expect(self, mark: str, otherwise: str) -> None:
        if not self._mark(mark):
            self._fail(self.token, otherwise)

    def _advance(self) -> None:
        self.token = next(self._tokens)

    def _found(self) -> str:
        return "the end" if self.token.kind == "end" else self._quoted(self.token.text)

    def _quoted(self, text: str) -> str:
        return repr(text[:100]) if self._repeats else "what stands there"

    @cached_property
    def _repeats(self) -> bool:
        """Whether a message may repeat parts of the text: what is hidden in the whole may not be found in a part."""
        return self._seal(self._text) == self._text

    def _scan(self) -> Iterator[Token]:
        position = 0
        while position < len(self._text):
            match = _TOKEN.match(self._text, position)
            if match is None:
                hint = "; a key in backticks follows its prefix: params.`a key`" if self._text[position] == "`" else ""
                self._fail(position, f"this quote is not closed{hint}")
            if match.lastgroup != "space":
                bad = re.search("[\0\ud800-\udfff]", match.group())
                if bad is not None:
                    self._fail(position + bad.start(), "no run holds a NUL or half a character (a surrogate)")
                yield Token(str(match.lastgroup), match.group(), position)
            position = match.end()
        yield Token("end", "", len(self._text))

    def _fail(self, place: Token | int, message: str, allowed: str = "") -> NoReturn:
        position = place.start if isinstance(place, Token) else place
        lines = [f"{message} (position {position})"]
        if self._repeats:
            first = max(0, position - 60)
            lead = "…" if first else ""
            tail = "…" if position + 60 < len(self._text) else ""
            lines += [
                f"    {lead}{_printable(self._text[first : position + 60])}{tail}",
                " " * (4 + len(lead) + position - first) + "^",
            ]
        else:  # the position is another one there
            lines.append(f"    {_printable(self._seal(self._text)[:_SHOWN])}")
        raise FilterError("\n".join([*lines, f"allowed: {allowed}"] if allowed else lines))


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in re.sub(r"\s", " ", text))


def unquoted(text: str) -> str:
    quote = text[:1]
    return text[1:-1].replace(quote * 2, quote) if quote in ("'", '"', "`") else text
