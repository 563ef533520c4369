"""Is a value under a secret's name a secret? Not a placeholder, not code, and under an ambiguous name: like a credential.

What random-looking text is worth is never a reason on its own: these are asked where a key has spoken already. A
placeholder or a piece of code is one as a whole: what only begins like one is a secret.
"""

from __future__ import annotations

import re
from itertools import pairwise

from reticent_redact import ordinary
from reticent_redact.later import later

_EMPTY = {"", "none", "null", "nil", "true", "false", "undefined", "n/a"}

_SECRET_WORD = r"(?:password|passwd|passphrase|pass|pwd|pw|secret|token|key|credentials?|creds|auth)"  # noqa: S105 - words for it
_WORDS = r"[A-Za-z]{1,40}(?:[ ._-]{1,2}[A-Za-z]{1,40}){0,8}"
_SPOKEN = rf"(?:{_WORDS}|(?=[\w .-]{{0,64}}?(?i:{_SECRET_WORD}|user|your))[A-Za-z][\w .-]{{0,64}})"
"""Words without digits, or with them if one of the words says that it stands for a secret: `token1`."""

REFERENCE = (
    r"\$\{\{[^{}\n]{1,100}\}\}|\$\{[^{}\n]{1,100}\}|\{\{[^{}\n]{1,100}\}\}|\{[^{}\s]{0,64}\}|<[^<>\n]{1,64}>"
    r"|\$\((?:[^()\n]|\([^()\n]{0,100}\)){1,100}\)"
)
"""What may be a placeholder and has an end of its own: where an unquoted value begins so, that is where it goes on."""

_PLACEHOLDER = later(
    r"(?:(?:Bearer|Basic|Token) )?(?:"
    r"\$\{\{[^{}\n]{1,100}\}\}|\{\{[^{}\n]{1,100}\}\}|\$\((?:[^()\n]|\([^()\n]{0,100}\)){1,100}\)"
    r"|\$\([a-z][\w./-]{0,32}[ \t].{0,100}"  # a command that the quotes in it have cut short
    r"|\$\{[^{}\n]{1,100}\}|\$[A-Z]{1,32}[0-9]?(?:_(?:[A-Z]{1,32}[0-9]?|[0-9]{1,2})){0,8}"
    rf"|\$(?i:(?:[a-z]{{1,32}}_){{0,4}}{_SECRET_WORD}[0-9]?)|\$_[A-Z]{{3,7}}"
    rf"|\{{(?:[0-9]|{_SPOKEN}(?:\[[^\[\]\n]{{1,32}}\])?(?:![rsa])?(?::[^{{}}\n]{{0,16}})?)?\}}|<{_SPOKEN}>"
    r"|ENC\[AES256_GCM(?:,.{0,200})?|[*]{3,128}|[xX]{4,128}|\.{3,128}|\$[0-9@*]|%s|%\([A-Za-z_]{1,32}\)s|%[A-Z_]{1,32}%"
    r"|(?i:change[-_]?me|redacted|your[-_ ][a-z]{1,20}(?:[-_ ][a-z]{1,20}){0,4}))",
    re.ASCII,
)
_DEFAULT = later(r"\$\{[\w.:]{1,64}(?::?[-=]|,)(?P<default>[^{}\n]{6,100})\}", re.ASCII)
"""A reference with what stands for it where there is none: `${PASSWORD:-...}`."""

_NO_SERVER = later(r"(?:sqlite|duckdb)(?:\+\w{1,16})?:/{2,4}[^@\s]{0,256}|:memory:", re.ASCII)
"""The address of a database that is a file."""

_WORD = later(r"[a-z]+(?:[-_.][a-z]+)*", re.ASCII)

_FIXED = ("x" * 8, "X" * 8, "0" * 12, "*" * 6, "." * 6, "#" * 6)
# Fixed texts and no repetitions: the engine then skips to a character that begins one of them.
_FILLER = later(rf"{'|'.join(map(re.escape, _FIXED))}|EXAMPLE(?:KEY)?(?![A-Z])", re.ASCII)
_FILLERS = later(r"x{8,256}|X{8,256}|0{12,256}|[*]{6,256}|[.]{6,256}|#{6,256}|EXAMPLE(?:KEY)?(?![A-Z])", re.ASCII)
_EXAMPLE = later(r"[A-Za-z0-9/+=_-]{12,240}EXAMPLE(?:KEY)?", re.ASCII)

_NAME = r"[A-Za-z_]\w{0,63}(?:(?:\.|->|::)[A-Za-z_]\w{0,63}){0,8}"
_PART = r"_{0,2}[A-Za-z]{1,40}(?:_{1,2}[A-Za-z]{1,40}){0,8}[0-9]?"
_HOLDERS = (
    r"(?:os\.environ|process\.env|self|cls|this|args|opts?|options|params|cfg|conf|config|settings|var|local|module"
    r"|data|secrets|env|environ|request|context|ctx|user|each|kwargs|FLAGS|creds|credentials)"
)
_CALL = (
    rf"{_NAME}\((?:[^()\n]|\((?:[^()\n]|\([^()\n]{{0,80}}\)){{0,80}}\)){{0,120}}\)"
    rf"|{_NAME}\((?:[^()\n]{{1,100}},)?[ \t]{{0,8}}(?:\n|\Z)|\$?{_NAME}(?:\[[^\[\]\n]{{1,64}}\]){{1,4}}(?!\w)"
)
_CODE_HERE = later(rf"(?:await |not |new )?(?:{_CALL})", re.ASCII)
_CODE = later(
    rf"{_HOLDERS}(?:\.{_PART}){{1,6}}|os\.environ|getpass|input|prompt"
    r"|(?:[A-Za-z]{1,16}\.)?[A-Z][A-Za-z]{0,48}(?:Key|Keys|Type|Types|Str|Bytes|Callable|Token|Credentials?|Password|Secret|Auth)"
    rf"|[@&*]?_{{0,2}}(?:[A-Za-z]{{1,32}}_){{0,4}}(?i:{_SECRET_WORD})s?"
    rf"|[\W_]{{1,2}}|\d{{1,5}}|[+-]?\d{{1,9}}\.\d{{1,18}}(?:[eE][+-]?\d{{1,3}}|%)?|\d{{1,3}}%",
    re.ASCII,
)
_NO_TEXT = later(rf"{_HOLDERS}(?:\.{_PART}){{1,6}}|[\W_]{{1,2}}|\d{{1,5}}|[+-]?\d{{1,9}}\.\d{{1,18}}", re.ASCII)

_TYPES = frozenset(  # of Python, JSON schemas, databases and data frames
    (  # noqa: SIM905 - a list of them takes ten times the lines
        "str string int integer number bool boolean bytes any object optional str|none secretstr required varchar "
        "int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 datetime64 datetime64[ns]"
    ).split()
)
_SIZED = later(r"(?i:n?(?:var)?char|varbinary|decimal)\(\d{1,5}(?:,[ ]?\d{1,3})?\)", re.ASCII)
_EXPRESSION = later(
    r"[A-Za-z_]{1,40}[0-9]?(?:\.[A-Za-z_]{1,40}){0,4}[ \t]{1,2}(?:[*@/%&|+^]|\*\*|//|<<|>>)[ \t]{1,2}[A-Za-z_0-9(]",
    re.ASCII,
)


def says_nothing(value: str) -> bool:
    """Whether a secret's key has no secret for a value: an empty one, `null`, a reference such as `${NAME}`."""
    if len(value) > 256:
        return False
    value = value.strip()
    if value.lower() in _EMPTY or _NO_SERVER.fullmatch(value) is not None:
        return True
    if ordinary.is_dtype(value) or ordinary.is_open_address(value):
        return True
    if _PLACEHOLDER.fullmatch(value) is None:
        return False
    instead = _DEFAULT.fullmatch(value)
    return instead is None or not is_mixed(instead["default"])


def is_word(value: str) -> bool:
    """Whether a value is a short word or a few of them in small letters: `foo`, `api-key`."""
    return len(value) < 16 and _WORD.fullmatch(value) is not None


def is_filler(value: str) -> bool:
    """Whether a value shows what a secret looks like: `ghp_xxxxxxxx`, `AKIAIOSFODNN7EXAMPLE`, `0000000000`."""
    return _FILLER.search(value) is not None


def is_stand_in(value: str) -> bool:
    """Whether a value is filler and nothing else, but for letters before or after it."""
    rest = _FILLERS.sub("", value)
    return rest != value and (not is_mixed(rest) or _EXAMPLE.fullmatch(value) is not None)


def is_code(value: str) -> bool:
    """Whether what follows `password =` without quotes is a type, a number or the place the password comes from."""
    if len(value) > 160:
        return False
    return value.lower().rstrip(",") in _TYPES or any(code.fullmatch(value) for code in (_CODE, _CODE_HERE))


def is_code_at(text: str, at: int) -> bool:
    """Whether a call (`load(a)`) or an item of something (`tokens[i]`) stands in a text at `at`."""
    return _CODE_HERE.match(text, at) is not None


def is_no_text(value: str) -> bool:
    """Whether what stands between quotes is a number, a type or a reference by dots all the same: `"var.password"`."""
    if len(value) > 160:
        return False
    return value.lower() in _TYPES or any(pattern.fullmatch(value) for pattern in (_NO_TEXT, _SIZED))


def is_expression_at(text: str, at: int) -> bool:
    """Whether it is computed what follows `secret =` at `at`: `share * n`."""
    return _EXPRESSION.match(text, at) is not None


UNBROKEN = r"[A-Za-z0-9_\-.+/=~:%|!$@]"
_CREDENTIAL = later(UNBROKEN + "{16,8192}", re.ASCII)
_DIGIT, _LETTER = later(r"\d"), re.compile(r"[^\W\d_]")
_LONG_RUN = later(r"[A-Za-z0-9]{12}", re.ASCII)
_DATE = later(r"20\d\d[-_.]?\d\d[-_.]?\d\d(?:[-_T.]?\d\d[-_:.]?\d\d(?:[-_:.]?\d\d)?)?", re.ASCII)
_NUMBERED = later(r"[A-Za-z]*\d*[A-Za-z]?|\d+[A-Za-z]{0,2}", re.ASCII)
_SPELLED = later(r"[A-Z][a-z]{2,}|[a-z]{3,}", re.ASCII)
_HEX = later(r"[0-9a-fA-F-]+", re.ASCII)


def looks_like_credential(value: str) -> bool:
    """Whether a value under a key that may name a secret has the form of one: long, unbroken, letters with digits."""
    if not _CREDENTIAL.fullmatch(value) or "://" in value or ordinary.is_path(value):
        return False
    if _is_name(value):
        return False
    if _varied(value) or _restless(value):
        return True
    if not _LONG_RUN.search(value) or not is_mixed(value):
        return False
    longest = max(re.split(r"[^A-Za-z0-9]", value), key=len)
    return is_mixed(longest) and sum(character.isdigit() for character in longest) >= 2


def _is_name(value: str) -> bool:
    """Whether a value is words with numbers, dates and versions: `Run_2024-01-15_ResNet50`, `models/v1/weights.bin`."""
    pieces = re.split(r"[-_./:]", _DATE.sub("-", value))
    if len(pieces) < 2 or _HEX.fullmatch(value) is not None or not all(map(_NUMBERED.fullmatch, pieces)):
        return False
    letters = sum(map(str.isalpha, value))
    return sum(map(len, _SPELLED.findall(value))) >= 0.7 * letters > 0.3 * sum(map(len, pieces))


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
