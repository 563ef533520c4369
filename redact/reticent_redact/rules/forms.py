"""What the rules are put together from: the edges of a token, fillings for examples, and the commonest rule of all."""

from __future__ import annotations

import re
from collections.abc import Callable

from reticent_redact.rules.checks import is_real
from reticent_redact.rules.rule import Confidence, Rule

# What ends in a letter or digit and still is no part of the word that follows: escapes of strings, of URLs, of colours.
_ESCAPED = (
    r"(?<=\\[abfnrtv0])|(?<=\\x[0-9A-Fa-f]{2})|(?<=\\u[0-9A-Fa-f]{4})|(?<=%[0-9A-Fa-f]{2})"
    r"|(?<=[\[;][0-9]m)|(?<=[\[;][0-9]{2}m)"
)
ALONE = rf"(?:(?<![A-Za-z0-9])|{_ESCAPED})"
"""The literal begins a word: `task-...` has no `sk-` in it."""

END = "(?![A-Za-z0-9])"
END_URLSAFE = "(?:(?![A-Za-z0-9_-])|(?=_[a-z0-9]{1,8}(?![A-Za-z0-9_-])))"
"""An underscore may belong to the token, or to what is hung on a column's name: `VALUE_0`, `VALUE_left`."""

UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
AN_UUID = "3f9a0c7e-5b1d-4246-8f3a-9c0e7d5b1a24"
HEX_DIGITS = "0abcdef"
"""What a hexadecimal digit may be once every decimal digit is read as 0."""

ALPHANUMERIC = "0abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
TWO_HEX_DIGITS = tuple(one + two for one in HEX_DIGITS for two in HEX_DIGITS)

LEADING = " \t\n\"'`=:,([{>#"
LED = rf"(?:\A|[{re.escape(LEADING)}]|\\[nrt])"
"""What stands before a token whose own beginning is too common a literal. A newline stands before every text."""


def begins_word(rule: Rule) -> bool:
    """Whether a rule finds nothing behind a letter or digit, unless these are part of an escape."""
    return not rule.before and rule.pattern.startswith((ALONE, "(?<![A-Za-z0-9])"))


def led(literal: str) -> tuple[str, ...]:
    """The literal after each of the characters that it may stand behind, and after a newline's escape."""
    return (*(before + literal for before in LEADING), "\\n" + literal)


def hexes(length: int) -> str:
    return ("3f9a0c7e5b1d8246" * (length // 16 + 1))[:length]


def mixed(length: int) -> str:
    """Capitals, small letters and digits."""
    return ("k7Qz2LmX9rTb4VdNc5Hp" * (length // 20 + 1))[:length]


def small(length: int) -> str:
    """Small letters and digits."""
    return mixed(length).lower()


def capital(length: int) -> str:
    """Capitals and digits."""
    return mixed(length).upper()


def token(
    rule_id: str,
    literals: str | tuple[str, ...],
    rest: str,
    example: str,
    valid: Callable[[str], bool] = is_real,
    confidence: Confidence = "high",
) -> Rule:
    """A token that begins a word with one of the literals and has the form `rest` after it; `example` is such a rest.

    Its misses are made of the example: within a word, cut in half, and with `x` for every letter and digit.
    """
    beginnings = (literals,) if isinstance(literals, str) else literals
    first = beginnings[0]
    return Rule(
        rule_id,
        beginnings,
        f"{ALONE}(?:{'|'.join(map(re.escape, beginnings))}){rest}",
        valid,
        confidence,
        hits=tuple(beginning + example for beginning in beginnings),
        misses=(
            f"a{first}{example}",
            first + example[: len(example) // 2],
            first + re.sub("[A-Za-z0-9]", "x", example),
        ),
    )
