"""Rules that know a secret by its value, as data: each credential format by its issuer's published form.

A rule is tried where one of its literals stands in the text, and nowhere else. Its pattern is matched from there, so it
must begin with the literal (or a look behind it), and every repetition in it has an upper bound: the work for a text
grows with its length and no faster. What random-looking text is worth is never a reason on its own.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass, field


def _is_anything(secret: str) -> bool:  # noqa: ARG001 - a validator
    return True


@dataclass(frozen=True)
class Rule:
    """One format: `literals` in lower case; `pattern`, whose group `secret` (or all of it) is masked if `valid` agrees.

    `hits` and `misses` are examples, and run as tests.
    """

    id: str
    literals: tuple[str, ...]
    pattern: str
    valid: Callable[[str], bool] = _is_anything
    hits: tuple[str, ...] = ()
    misses: tuple[str, ...] = ()
    compiled: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "compiled", re.compile(self.pattern, re.ASCII))


SHORTEST = 16
"""No rule matches in fewer characters, unless one of them is `:` or `=`. A test holds every example to it."""

_EMPTY = {"", "none", "null", "nil", "true", "false", "undefined", "n/a"}

_PLACEHOLDER = re.compile(
    r"\$\{\w{1,64}\}|\$[A-Z][A-Z0-9]{0,32}_[A-Z0-9_]{1,64}|\$\(.{1,100}\)|\{\{.{1,100}\}\}|<[A-Za-z][\w .-]{0,64}>"
    r"|[*]{3,128}|[xX]{4,128}|\.{3}|%\(?\w{0,32}\)?s|\{\w{0,64}\}",
    re.ASCII,
)

_CODE = re.compile(
    r"(?:os\.environ|os\.getenv|environ|getenv|getpass|input|prompt|process\.env|self\.|args\.|cfg\.|config\.|settings\.|opts?\.)"
    r"[\w.\[\]()\"'-]{0,128}|[\W_]{1,2}|\d{1,5}",
    re.ASCII,
)

_TYPES = frozenset("str string int bool bytes any object optional optional[str] str|none secretstr required".split())  # noqa: SIM905


def says_nothing(value: str) -> bool:
    """Whether a secret's key has no secret for a value: an empty one, `null`, a reference such as `${NAME}`."""
    return len(value) <= 128 and (value.strip().lower() in _EMPTY or _PLACEHOLDER.fullmatch(value.strip()) is not None)


def is_code(value: str) -> bool:
    """Whether what follows `password =` in a text is a type, a number or the place the password comes from."""
    return len(value) <= 160 and (value.lower().rstrip(",") in _TYPES or _CODE.fullmatch(value) is not None)


_CREDENTIAL = re.compile(r"[A-Za-z0-9_\-.+/=~:%|!$@]{16,8192}", re.ASCII)
_LONG_RUN = re.compile(r"[A-Za-z0-9]{12}", re.ASCII)


def looks_like_credential(value: str) -> bool:
    """Whether a value under a key that may name a secret has the form of one: long, unbroken, letters with digits."""
    if not _CREDENTIAL.fullmatch(value) or "://" in value or value.startswith(("/", "./", "../", "~/")):
        return False
    if _varied(value):
        return True
    if not _LONG_RUN.search(value) or not _mixed(value):
        return False
    longest = max(re.split(r"[^A-Za-z0-9]", value), key=len)
    return _mixed(longest) and sum(character.isdigit() for character in longest) >= 2


def _varied(value: str) -> bool:
    """Whether 16 characters or more have capitals, small letters and at least three digits, in however short pieces."""
    kinds = any(map(str.isupper, value)) and any(map(str.islower, value))
    return len(value) >= 16 and kinds and sum(map(str.isdigit, value)) >= 3


def looks_like_query_credential(value: str) -> bool:
    """The same for a query parameter of a URL (`?token=`), where shorter ones are usual."""
    return len(value) >= 8 and _mixed(value)


def _mixed(value: str) -> bool:
    return any(map(str.isdigit, value)) and any(map(str.isalpha, value))


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _is_basic(value: str) -> bool:
    try:
        decoded = base64.b64decode(value, validate=True)
    except binascii.Error:
        return False
    return b":" in decoded and all(32 <= byte < 127 for byte in decoded)


def _is_password(value: str) -> bool:
    return not says_nothing(value)


def _is_no_example(value: str) -> bool:
    return not value.endswith("EXAMPLE")


# What ends in a letter or digit and still is no part of the word that follows: escapes of strings, of URLs, of colours.
_ESCAPED = (
    r"(?<=\\[abfnrtv0])|(?<=\\x[0-9A-Fa-f]{2})|(?<=\\u[0-9A-Fa-f]{4})|(?<=%[0-9A-Fa-f]{2})"
    r"|(?<=[\[;][0-9]m)|(?<=[\[;][0-9]{2}m)"
)
_ALONE = rf"(?:(?<![A-Za-z0-9])|{_ESCAPED})"  # the literal begins a word: "task-..." has no "sk-" in it
_ALONE_URLSAFE = rf"(?:(?<![A-Za-z0-9_-])|{_ESCAPED})"

RULES: tuple[Rule, ...] = (
    Rule(
        "pem-private-key",
        ("-----begin ",),
        r"-----BEGIN (?:[A-Z0-9]{1,16} ){0,4}PRIVATE KEY(?: BLOCK)?-----"
        # To its END, whatever stands between (it may be lines of source code); without one, to the end of a quotation.
        r"(?:(?:[^-]|-(?!----)){0,32768}-----END [A-Z0-9 ]{1,80}-----|(?:[^-\"'`]|-(?!----)){0,32768})",
        hits=(
            "-----BEGIN "
            + "RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIEow"
            + "IBAAKC\n-----END "
            + "RSA PRIVATE KEY-----",
            "-----BEGIN " + "OPENSSH PRIVATE KEY-----\\nb3BlbnNzaC1r" + "ZXk\\n",
            "-----BEGIN " + "PGP PRIVATE KEY BLOCK-----\n\nlQOY" + "BF\n-----END " + "PGP PRIVATE KEY BLOCK-----",
        ),
        misses=("-----BEGIN " + "PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----", "-----BEGIN CERTIFICATE-----\nMIIB"),
    ),
    Rule(
        "aws-access-key-id",
        ("akia", "asia"),
        _ALONE + r"A(?:KI|SI)A[A-Z2-7]{16}(?![A-Za-z0-9])",
        _is_no_example,
        hits=("AKIA" + "QYLPMN5H" * 2, "id=ASIA" + "Y34FZKBO" * 2 + ";"),
        misses=("AKIA" + "IOSFODNN7EXAMPLE", "AKIA" + "QYLPMN5H", "ASIAN" + "FUSIONRESTAURANTS"),
    ),
    Rule(
        "github-token",
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
        _ALONE + r"gh[pousr]_[A-Za-z0-9]{36,255}",
        hits=tuple(f"gh{kind}_" + "a1B2" * 9 for kind in "pousr"),
        misses=("ghp_" + "a1B2" * 5, "highp_" + "a1B2" * 9),
    ),
    Rule(
        "github-fine-grained-token",
        ("github_pat_",),
        _ALONE + r"github_pat_[A-Za-z0-9_]{36,255}",
        hits=("github_pat_" + "11ABCDEFG0" * 2 + "aZ_" + "a1B2c3D4" * 7 + "xyz",),
        misses=("github_pat_token",),
    ),
    Rule(
        "gitlab-token",
        ("glpat-",),
        _ALONE + r"glpat-[A-Za-z0-9_-]{20,300}(?:\.[a-z0-9]{2}\.[a-z0-9]{7,9})?",
        hits=("glpat-" + "x9Y_z8W-v7" * 2, "glpat-" + "x9Yz8Wv7u6" * 3 + ".01.0w1a2b3c4"),
        misses=("glpat-short",),
    ),
    Rule(
        "huggingface-token",
        ("hf_", "api_org_"),
        _ALONE + r"(?:hf|api_org)_[A-Za-z0-9]{34,64}(?![A-Za-z0-9])",
        hits=("hf_" + "AbCdEfGhIjKlMnOpQ" * 2, "api_org_" + "AbCdEfGhIjKlMnOpQ" * 2),
        misses=("hf_hub_download_with_progress_and_retries", "hf_transfer"),
    ),
    Rule(
        "anthropic-key",
        ("sk-ant-",),
        _ALONE + r"sk-ant-[A-Za-z0-9_-]{20,300}",
        hits=("sk-ant-" + "api03-" + "a1B2_c3-D4" * 9 + "AA",),
        misses=("sk-ant-colony",),
    ),
    Rule(
        "openai-key",
        ("sk-",),
        _ALONE + r"sk-(?:(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{20,300}|[A-Za-z0-9]{32,200}(?![A-Za-z0-9]))",
        lambda secret: any(map(str.isdigit, secret)),
        hits=("sk-" + "a1B2c3D4e5" * 2 + "T3Blbk" + "FJ" + "a1B2c3D4e5" * 2, "sk-" + "proj-" + "a1B2_c3-D4" * 8),
        misses=("sk-learn-style-estimators", "task-" + "a1B2c3D4e5" * 4, "sk-" + "proj-short", "disk-" + "0" * 40),
    ),
    Rule(
        "slack-token",
        ("xox",),
        _ALONE + r"xox[abeoprs](?:-[A-Za-z0-9]{1,80}){1,6}",
        lambda secret: len(secret) >= 20 and any(map(str.isdigit, secret)),
        hits=(
            "xoxb-" + "123456789012-" + "1234567890123-" + "a1B2c3D4e5F6",
            "xoxp-" + "123456789012-" * 3 + "0a1b2c3d" * 4,
        ),
        misses=("xoxo-hugs-and-kisses", "xoxb-1"),
    ),
    Rule(
        "stripe-key",
        ("sk_live_", "rk_live_", "sk_test_", "rk_test_"),
        _ALONE + r"[sr]k_(?:live|test)_[A-Za-z0-9]{16,255}",
        hits=("sk_live_" + "a1B2c3D4" * 3, "rk_live_" + "a1B2c3D4" * 12),
        misses=("pk_live_" + "a1B2c3D4" * 3, "sk_live_mode"),
    ),
    Rule(
        "google-api-key",
        ("aiza",),
        _ALONE + r"AIza[A-Za-z0-9_-]{35}",
        hits=("AIza" + "Sy-a1B2_" * 4 + "xyz",),
        misses=("AIza" + "Sya1B2", "aiza" + "Sy-a1B2_" * 4 + "xyz"),
    ),
    Rule(
        "npm-token",
        ("npm_",),
        _ALONE + r"npm_[A-Za-z0-9]{36}(?![A-Za-z0-9])",
        hits=("npm_" + "a1B2" * 9,),
        misses=("npm_config_registry",),
    ),
    Rule(
        "pypi-token",
        ("pypi-ag",),
        _ALONE + r"pypi-Ag[A-Za-z0-9_-]{50,1000}",
        hits=("pypi-" + "AgEIcHlwaS5vcmc" + "a1B2c3D4" * 10,),
        misses=("pypi-agent", "pypi-Agenda"),
    ),
    Rule(
        "jwt",
        ("eyj",),
        _ALONE_URLSAFE + r"eyJ[A-Za-z0-9_-]{8,2048}\.eyJ[A-Za-z0-9_-]{8,8192}\.[A-Za-z0-9_-]{0,2048}",
        hits=("eyJ" + "hbGciOiJIUzI1NiJ9" + ".eyJ" + "zdWIiOiIxMjM0In0" + "." + "s5T-_a1B2" * 4,),
        misses=("eyJ" + "hbGciOiJIUzI1NiJ9", "eyJ.eyJ.eyJ"),
    ),
    Rule(
        "bearer-token",
        ("bearer",),
        _ALONE + r"(?i:bearer)[ \t]{1,4}(?P<secret>[A-Za-z0-9._~+/-]{16,4096}={0,2})",
        _mixed,
        hits=("Authorization: Bearer " + "a1B2c3D4" * 4, "bearer " + "0a1b2c3d" * 4 + "=="),
        misses=("Bearer authentication-is-required", "the bearer of news", "Bearer tok3n"),
    ),
    Rule(
        "basic-authorization",
        ("basic",),
        _ALONE + r"(?i:basic)[ \t]{1,4}(?P<secret>[A-Za-z0-9+/]{10,4096}={0,2})",
        _is_basic,
        hits=("Basic " + _base64("user:hunter2!"), "basic " + _base64("root:toor99")),
        misses=("Basic authentication", "Basic understanding", "Basic " + _base64("no colon in here")),
    ),
    Rule(
        "url-password",
        ("://",),
        # A number before the first slash is a port. A password may hold slashes and at signs: it ends at the last one.
        r"(?<=[A-Za-z0-9+.-])://[^\s/:?#@\"'<>`\\]{0,256}:(?!\d{0,5}[/?#])"
        r"(?P<secret>[^\s\"'<>`\\]{1,512})@(?=[A-Za-z0-9\[_%.-])",
        _is_password,
        hits=(
            "https://user:hunter2@example.org/path",
            "postgresql+psycopg://u:pw@h/db",
            "redis://:p4ss@localhost:6379/0",
            "amqp://u:p@ss/word@host",
        ),
        misses=(
            "https://example.org:8080/path/@scope/package",
            "https://user@example.org",
            "postgres://u:${DB_PASSWORD}@h/db",
            "http://localhost:5000",
            "git+ssh://git@github.com:owner/repo@v1.0",
        ),
    ),
)
