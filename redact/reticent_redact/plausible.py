"""Is a value under a secret's name a secret? Not a placeholder, not code, and under an ambiguous name: like a credential.

What random-looking text is worth is never a reason on its own: these are asked where a key has spoken already.
"""

from __future__ import annotations

import re
from itertools import pairwise

_EMPTY = {"", "none", "null", "nil", "true", "false", "undefined", "n/a"}

_PLACEHOLDER = re.compile(
    r"\$\{[^{}\n]{1,100}\}?|\$[A-Z][A-Z0-9]{0,32}_[A-Z0-9_]{1,64}|\$\(.{0,100}|\{\{.{1,100}\}\}|\{\w{0,64}\}?"
    r"|<[A-Za-z][\w .-]{0,64}>|ENC\[AES256_GCM.{0,100}|[*]{3,128}|[xX]{4,128}|\.{3}|\$[0-9@*]|%\(?\w{0,32}\)?s",
    re.ASCII,
)

_WORD = re.compile(r"[a-z]+(?:[-_.][a-z]+)*", re.ASCII)

_FILLER = re.compile(r"x{8}|X{8}|0{12}|[*]{6}|[.]{6}|#{6}|EXAMPLE(?:KEY)?(?![A-Z])", re.ASCII)

_CODE = re.compile(
    r"(?:os\.environ|os\.getenv|environ|getenv|getpass|input|prompt|process\.env|self\.|args\.|cfg\.|config\.|settings\.|opts?\.|var\.|local\.|module\.|data\.|secrets\.|env\.)"
    r"[\w.\[\]()\"'-]{0,128}|[\W_]{1,2}|\d{1,5}|[+-]?\d{1,9}\.\d{1,18}(?:[eE][+-]?\d{1,3})?",
    re.ASCII,
)

_TYPES = frozenset("str string int bool bytes any object optional optional[str] str|none secretstr required".split())  # noqa: SIM905


def says_nothing(value: str) -> bool:
    """Whether a secret's key has no secret for a value: an empty one, `null`, a reference such as `${NAME}`."""
    return len(value) <= 128 and (value.strip().lower() in _EMPTY or _PLACEHOLDER.fullmatch(value.strip()) is not None)


def is_word(value: str) -> bool:
    """Whether a value is a short word or a few of them in small letters: `foo`, `api-key`."""
    return len(value) < 16 and _WORD.fullmatch(value) is not None


def is_filler(value: str) -> bool:
    """Whether a value only shows what a secret looks like: `ghp_xxxxxxxx`, `AKIAIOSFODNN7EXAMPLE`, `0000000000`."""
    return _FILLER.search(value) is not None


def is_code(value: str) -> bool:
    """Whether what follows `password =` in a text is a type, a number or the place the password comes from."""
    return len(value) <= 160 and (value.lower().rstrip(",") in _TYPES or _CODE.fullmatch(value) is not None)


_CREDENTIAL = re.compile(r"[A-Za-z0-9_\-.+/=~:%|!$@]{16,8192}", re.ASCII)
_DIGIT, _LETTER = re.compile(r"\d"), re.compile(r"[^\W\d_]")
_LONG_RUN = re.compile(r"[A-Za-z0-9]{12}", re.ASCII)


def looks_like_credential(value: str) -> bool:
    """Whether a value under a key that may name a secret has the form of one: long, unbroken, letters with digits."""
    if not _CREDENTIAL.fullmatch(value) or "://" in value or value.startswith(("/", "./", "../", "~/")):
        return False
    if _varied(value) or _restless(value):
        return True
    if not _LONG_RUN.search(value) or not is_mixed(value):
        return False
    longest = max(re.split(r"[^A-Za-z0-9]", value), key=len)
    return is_mixed(longest) and sum(character.isdigit() for character in longest) >= 2


def _restless(value: str) -> bool:
    """Whether letters change between capital and small as often as if drawn by lot, and not as in `CamelCaseWords`."""
    changes = sum(one.isupper() != other.isupper() for one, other in pairwise(value))
    return len(value) >= 20 and value.isalnum() and changes > 0.36 * len(value)


def _varied(value: str) -> bool:
    """Whether 16 characters or more have capitals, small letters and at least three digits, in however short pieces."""
    return len(value) >= 16 and value.lower() != value != value.upper() and len(_DIGIT.findall(value)) >= 3


def looks_like_query_credential(value: str) -> bool:
    """The same for a query parameter of a URL (`?token=`), where shorter ones are usual."""
    return len(value) >= 8 and is_mixed(value)


def is_mixed(value: str) -> bool:
    """Whether a value has letters and digits."""
    return _DIGIT.search(value) is not None and _LETTER.search(value) is not None
