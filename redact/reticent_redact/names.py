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
from typing import NamedTuple

from reticent_redact.policy import MARKER, Policy


class Verdict(NamedTuple):
    """The rule by which a key names a secret, and whether the name alone is enough."""

    rule: str
    certain: bool


KEPT = Verdict("kept", False)
"""The policy keeps this key: what a key around it said no longer holds either."""

SECRET_FILE = "secret-file"  # noqa: S105 - the rule by that name

DENIED = Verdict("key-denied", True)


def _set_of(words: str) -> frozenset[str]:
    return frozenset(words.split())


_SECRET = {
    tuple(sequence.split())
    for sequence in (
        "password",
        "passwd",
        "pwd",
        "passphrase",
        "passcode",
        "pass word",
        "pass phrase",
        "db pass",
        "user pass",
        "secret",
        "credential",
        "authorization",
        "api key",
        "access key",
        "secret key",
        "private key",
        "auth key",
        "account key",
        "master key",
        "signing key",
        "encryption key",
        "storage key",
        "subscription key",
        "deploy key",
        "license key",
        "ssh key",
        "api token",
        "auth token",
        "access token",
        "refresh token",
        "bearer token",
        "security token",
        "session token",
        "secret token",
        "bot token",
        "deploy token",
        "oauth token",
        "hub token",
        "hf token",
        "github token",
        "gitlab token",
        "personal access token",
        "client secret",
        "connection password",
    )
}
"""Word sequences that name a secret wherever they stand in a key. Written as one word (`apikey`) they count as well."""

_MAYBE = _set_of("token key auth session jwt pat cookie sig signature sas bearer pass pin")
"""Last words of keys whose value decides."""

_DESCRIBING = _set_of(
    "id ids name names path paths file filename files dir directory folder count counts issuer length len size "
    "type types version versions url uri endpoint host field fields column columns policy expiry expires expired "
    "expiration ttl timeout enabled disabled required format arn header hint env var variable variables region "
    "provider manager store backend strategy mode min max limit index idx pattern regex prefix suffix rotation "
    "strength age date time at created updated"
)
"""A key that ends so says something about a secret and does not hold it."""

_ML_TOKEN = _set_of(
    "pad eos bos unk sep cls mask special additional num n max min new image video audio speech text start end "
    "begin first last next prev previous decoder encoder forced suppress stop word sub subword bpe prompt "
    "completion input output total per by use skip return add strip vocab placeholder boundary separator query "
    "label target content object box patch time register row newline whitespace suffix prefix middle"
)
_ML_KEY = _set_of(
    "primary foreign sort sorting group groupby partition public cache dict state metric score monitor label "
    "target feature sample batch data dataset input output image text index column col row item record field json "
    "yaml config param hash join lookup merge order rank query value num n max min use head add weight weights "
    "bias loss layer model module task class prefix"
)
_ML_PASS = _set_of("forward backward first second low high band one multi single")
_ORDINARY = {"token": _ML_TOKEN, "key": _ML_KEY, "pass": _ML_PASS}
"""Words that, standing before a word of `_MAYBE`, make it machine learning's own."""

_JOINED = {"".join(sequence): "-".join(sequence) for sequence in _SECRET if len(sequence) > 1}
_JOINED_ENDINGS = ("password", "passwd", "passphrase", "apikey", *(joined for joined in _JOINED if len(joined) >= 9))
_SINGULAR = {f"{word}s": word for sequence in _SECRET for word in sequence}
_LONGEST = max(map(len, _SECRET))

_SECRET_FILES = _set_of(
    ".netrc _netrc .pgpass .git-credentials .pypirc .my.cnf .s3cfg .htpasswd .dockercfg id_rsa id_dsa id_ecdsa "
    "id_ed25519 *.p12 *.pfx *.jks *.keystore *.kdbx *.ppk"
)
"""Files that are credentials by what they are for, in formats that no rule for text reads."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_KEY_LIMIT = 256

RULES = {f"key-{'-'.join(sequence)}" for sequence in _SECRET} | {f"key-{word}" for word in _MAYBE} | {DENIED.rule}
"""Every rule that a key can be redacted by."""


def words(key: str) -> list[str]:
    """The words of a key, in lower case: snake, camel, kebab and dotted are one; digits say nothing."""
    said = MARKER.sub(" ", key[-_KEY_LIMIT:])  # the rule that masked a part of the key says nothing about its value
    return [word.lower() for word in _WORD.findall(unicodedata.normalize("NFKC", said))]


def judge(key: str) -> Verdict | None:
    """The verdict by the words of a key; None for a plain one."""
    parts = words(key)
    if not parts or parts[-1] in _DESCRIBING:
        return None
    named = _secret_sequence(parts)
    if named is not None:
        return Verdict(f"key-{named}", True)
    last = parts[-1]
    if last in _MAYBE and not _ORDINARY.get(last, frozenset()).intersection(parts[:-1]):
        return Verdict(f"key-{last}", False)
    return None


def judge_by(policy: Policy) -> Callable[[str], Verdict | None]:
    """`judge`, with the policy's keep and deny before it."""
    denied, kept = _matcher(policy.deny), _matcher(policy.keep)

    def decide(key: str) -> Verdict | None:
        if denied(key):
            return DENIED
        return KEPT if kept(key) else judge(key)

    return decide


def is_secret_file(name: str) -> bool:
    """Whether a file of this name or path is a credential as a whole."""
    base = name.replace("\\", "/").rpartition("/")[2].lower()
    return any(fnmatch.fnmatchcase(base, pattern) for pattern in _SECRET_FILES)


def literals(patterns: Iterable[str]) -> set[str]:
    """For each name or glob its longest fixed part, in lower case: what a text must contain for the key to be in it."""
    return {max(re.split(r"[*?\[\]]", pattern.lower()), key=len) for pattern in patterns} - {""}


def _secret_sequence(parts: list[str]) -> str | None:
    for start, part in enumerate(parts):
        for length in range(min(_LONGEST, len(parts) - start), 0, -1):
            sequence = parts[start : start + length]
            singular = (*sequence[:-1], _SINGULAR.get(sequence[-1], sequence[-1]))
            if singular in _SECRET:
                return "-".join(singular)
        word = _SINGULAR.get(part, part.removesuffix("s"))
        if word.endswith(_JOINED_ENDINGS):
            return next((dashed for joined, dashed in _JOINED.items() if word.endswith(joined)), "password")
    return None


def _matcher(patterns: tuple[str, ...]) -> Callable[[str], bool]:
    matches = re.compile("|".join(fnmatch.translate(pattern.lower()) for pattern in patterns) or r"(?!)").match
    return lambda key: bool(matches(key.lower()) or matches("_".join(words(key))))
