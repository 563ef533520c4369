"""Is a key the name of a secret? A key is split into words, and the words decide.

`dbPassword`, `db-password` and `DB_PASSWORD` are the same words. Some word sequences name a secret for certain
(`api key`); some words only may (`token`, `key`), and then the value must look like a credential too. A tail that
describes the secret (`api_key_id`, `password_file`) and machine learning's own vocabulary (`pad_token`, `sort_key`)
make a key plain.
"""

from __future__ import annotations

import fnmatch
import re
import unicodedata
from collections.abc import Callable, Iterable
from itertools import product
from typing import NamedTuple

from reticent_redact import ordinary, plausible
from reticent_redact.markers import MARKER
from reticent_redact.policy import Policy, matcher
from reticent_redact.vocabulary import (
    DESCRIBING,
    FOREIGN,
    IN_VARIABLES,
    JOINED,
    JOINED_ENDINGS,
    LONGEST,
    MAYBE,
    OF_PASS,
    ORDINARY,
    OWNER,
    PASS,
    PLACES,
    PLAIN_VARIABLE,
    SECRET,
    SECRET_FILES,
    SECRET_ID,
    SINGULAR,
    WHOLE,
)


class Verdict(NamedTuple):
    """The rule by which a key names a secret, and whether the name alone is enough."""

    rule: str
    certain: bool


KEPT = Verdict("kept", False)
"""The policy keeps this key: what a key around it said no longer holds either."""

SECRET_FILE = "secret-file"  # noqa: S105 - the rule by that name

DENIED = Verdict("key-denied", True)

NOT_LISTED = "not-listed"
"""The rule by which a param is left out that the policy's list does not have."""


_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_HUMP = re.compile(r"-(?![^\[]*\])|(?<=[a-z0-9])(?=[A-Z])(?![^\[]*\])")
_WORD_END = re.compile(r"\[[^\]]{0,64}\]|[^\w\[]|[\[_]|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
"""What stands between the words of a glob, wildcards too."""
_KEY_LIMIT = 256
_PIECE = 2
"""Letters: a word of no more may be a piece of one whose case changes within it."""

RULES = (
    {f"key-{'-'.join(sequence)}" for sequence in SECRET}
    | {f"key-{word}" for word in MAYBE}
    | {f"key-{words.replace(' ', '-')}" for words in WHOLE}
    | {f"key-{of}-{word}" for of, word in product(OF_PASS, PASS)}
    | {"key-pw", f"key-{SECRET_ID}", DENIED.rule}
)
"""Every rule that a key can be redacted by."""

DOUBTFUL_RULES = frozenset(f"key-{word}" for word in MAYBE - {"pw"}) | {f"key-{SECRET_ID}"}
"""Those by which the value had to look like a credential as well."""


def words(key: str) -> list[str]:
    """The words of a key, in lower case: snake, camel, kebab and dotted are one; digits say nothing."""
    said = MARKER.sub(" ", key[-_KEY_LIMIT:])  # the rule that masked a part of the key says nothing about its value
    if not said.isascii():
        said = unicodedata.normalize("NFKC", said)
        for word, spelled in FOREIGN.items():
            said = re.sub(word, f" {spelled} ", said, flags=re.IGNORECASE)
    return [word.lower() for word in _WORD.findall(said)]


def judge(key: str) -> Verdict | None:
    """The verdict by the words of a key; None for a plain one."""
    parts = words(key)
    if not parts or key in PLACES:
        return None
    for whole in (" ".join(parts[-2:]), parts[-1]):
        if whole in WHOLE:
            return Verdict(f"key-{whole.replace(' ', '-')}", True)
    if parts[-2:] == ["secret", "id"]:
        return Verdict(f"key-{SECRET_ID}", False)
    of_pass = _of_pass(parts)
    if of_pass is not None:
        return Verdict(f"key-{of_pass}", True)
    if parts[-1] in DESCRIBING:
        # The id of an access key is half of a pair whose other half stands beside it.
        is_half = _is_variable(key) and parts[-3:] == ["access", "key", "id"]
        return Verdict("key-key", False) if is_half else None
    named = _secret_sequence(parts)
    if named is None and any(len(part) <= _PIECE for part in parts):
        named = _secret_sequence(words(MARKER.sub(" ", key).lower()))  # `pAsSwOrD`, `APIkey`
    if named is not None:
        return Verdict(f"key-{named}", True)
    last = parts[-1].removesuffix("s") if parts[-1] == "creds" else parts[-1]
    ordinary = PLAIN_VARIABLE if _is_variable(key) else ORDINARY.get(last, frozenset())
    if last in MAYBE and not ordinary.intersection(parts[:-1]):
        return Verdict(f"key-{last}", False)
    return None


def judge_variable(name: str) -> Verdict | None:
    """The verdict for the name of an environment variable: stricter, as what it holds is rarely a hyperparameter."""
    verdict = judge(name)
    if verdict is None or verdict.certain:
        return verdict
    return Verdict(verdict.rule, verdict.rule.removeprefix("key-") in IN_VARIABLES)


def names_secret_variable(name: str, value: str) -> bool:
    """Whether an environment variable holds a secret: by its name, unless its value is the place of one, or a word."""
    verdict = judge_variable(name)
    if verdict is None or says_nothing(verdict, value) or ordinary.is_path(value) or value.isdigit():
        return False
    return verdict.certain or plausible.looks_like_credential(value)


def says_nothing(verdict: Verdict, value: str) -> bool:
    """Whether a value is no secret under a name that is certain: a placeholder, or what this name is used for as well."""
    if verdict.rule == "key-pwd" and ordinary.is_path(value):  # the working directory
        return True
    return (verdict.rule == "key-license-key" and ordinary.is_licence(value)) or plausible.says_nothing(value)


def judge_by(policy: Policy) -> Callable[[str, str], Verdict | None]:
    """The verdict for a key and the dotted path that it ends: `judge`, with the policy's keep and deny before it."""
    kept = matcher(entry for entry in policy.keep if ":" not in entry)
    # Denied is a name in whatever spelling: `customerName` is `customer-name` and `customer_name`.
    denied = matcher(spelled for glob in policy.deny for spelled in {glob, _HUMP.sub("_", glob)})

    def decide(key: str, path: str) -> Verdict | None:
        parts = path.split(".")
        spellings = {key, "_".join(words(key)), *(".".join(parts[start:]) for start in range(len(parts)))}
        if any(map(kept, spellings)):
            return KEPT
        return DENIED if any(map(denied, spellings)) else judge(key)

    return decide


def is_plural(key: str) -> bool:
    """Whether a key names several secrets: `credentials`, `api_keys`."""
    return words(key)[-1:] != [] and words(key)[-1] in SINGULAR


def describes(key: str) -> bool:
    """Whether a key in a mapping under a secret's name says something about the secret, or whose it is."""
    said = words(key)
    return bool(said) and (said[-1] in DESCRIBING or said[-1] in OWNER)


def is_secret_file(name: str) -> bool:
    """Whether a file of this name or path is a credential as a whole."""
    base = name.replace("\\", "/").rpartition("/")[2].lower()
    return any(fnmatch.fnmatchcase(base, pattern) for pattern in SECRET_FILES)


def literals(patterns: Iterable[str]) -> set[str]:
    """For each name or glob its longest word, in lower case: what a text must contain for the key to be in it, however
    the words are joined there."""
    return {max(_WORD_END.split(pattern), key=len).lower() for pattern in patterns} - {""}


def _secret_sequence(parts: list[str]) -> str | None:
    for start, part in enumerate(parts):
        for length in range(min(LONGEST, len(parts) - start), 0, -1):
            sequence = parts[start : start + length]
            singular = (*sequence[:-1], SINGULAR.get(sequence[-1], sequence[-1]))
            if singular in SECRET:
                return "-".join(singular)
        if part in JOINED:
            return JOINED[part]
        word = SINGULAR.get(part, part.removesuffix("s"))
        if word.endswith(JOINED_ENDINGS):
            of_one = "secret" if word.endswith("secret") else "password"
            return next((dashed for joined, dashed in JOINED.items() if word.endswith(joined)), of_one)
    return None


def _of_pass(parts: list[str]) -> str | None:
    """`ssh-pass` for `SSH_PASS` and `sshpass`."""
    if parts == ["pw"]:
        return "pw"
    last = parts[-1]
    word = next((word for word in PASS if last.endswith(word)), None)
    if word is None:
        return None
    of = last.removesuffix(word) or (parts[-2] if len(parts) > 1 else "")
    return f"{of}-{word}" if of in OF_PASS else None


def _is_variable(key: str) -> bool:
    return key.isupper() and "_" in key
