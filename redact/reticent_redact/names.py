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


def _set_of(words: str) -> frozenset[str]:
    return frozenset(words.split())


_FOREIGN = {
    "contraseña": "contrasena",
    "hasło": "haslo",
    "пароль": "parol",
    "密码": "mima",
    "密碼": "mima",
    "口令": "kouling",
    "パスワード": "pasuwado",
    "비밀번호": "bimilbeonho",
}
"""Other languages' words for a password, and how they are spelled here."""

NOT_ASCII = {
    case: next(letter for letter in case if not letter.isascii())
    for word in _FOREIGN
    for case in (word, word.upper(), word.capitalize())
}
"""What stands where a secret key may, and is looked for by itself: by its first letter that few texts have."""

SECRET = {
    tuple(sequence.split())
    for sequence in (
        "password",
        "passwd",
        "pwd",
        "passphrase",
        "passcode",
        "pass word",
        "pass phrase",
        "pass key",
        *(
            f"{of} {word}"
            for of, word in product(_set_of("db user smtp mail admin root become sudo login ssh"), ("pass", "pw"))
        ),
        "ftp pass",
        "ldap pass",
        "redis pass",
        "mysql pass",
        "postgres pass",
        "requirepass",
        "masterauth",
        "psk",
        "pre shared key",
        "preshared key",
        *_FOREIGN.values(),
        "passwort",
        "kennwort",
        "mot de passe",
        "senha",
        "wachtwoord",
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
        "fernet key",
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

MAYBE = _set_of("token key auth session jwt pat cookie sig signature sas bearer pass pw pin cred psw")
"""Last words of keys whose value decides."""

_OF_PASS = _set_of(
    "my app service client server host account basic bind broker ca cert https imap jks key keystore kafka keytab ldap "
    "mongo mq mssql mysql ora oracle ovpn pdf pg pgp gpg pop postgres rabbitmq redis repo rsync samba sasl sftp ftp "
    "sign signing smb sql sqlplus ssh ssl store svn tls tomcat truststore trust vault vnc vpn wifi wlan wpa zip ansible "
    "jenkins nexus elastic opensearch grafana docker registry router"
)
"""Words before `pass` or `pw` with which it is a password: `keystore_pass`, `SSHPASS`."""
_PASS = ("pass", "pw")
_SECRET_ID = "secret-id"  # noqa: S105 - the name of Vault's half of a login, which is one

_WHOLE = {
    *(
        f"{of} {kind}"
        for of, kind in product(
            _set_of("webhook database db jdbc mongo mongodb postgres redis amqp broker"), ("url", "uri")
        )
    ),
    "webhook",
    "dsn",
    "connection string",
    "connection str",
    "conn string",
    "conn str",
}
"""Last words of keys whose whole value is a secret: an address that lets in whoever knows it."""

_DESCRIBING = _set_of(
    "id ids name names path paths file filename files dir directory folder count counts issuer length len size "
    "type types version versions url uri endpoint host field fields column columns policy expiry expires expired "
    "expiration ttl timeout changed enabled disabled required format arn header hint env var variable variables region "
    "provider manager store backend strategy mode min max limit index idx pattern regex prefix suffix rotation "
    "strength age date time at created updated loss score accuracy acc f1 auc rate error dim dims shape dtype width "
    "ratio"
)
"""A key that ends so says something about a secret and does not hold it."""

_OWNER = _set_of("user username login email account owner description title comment note label help example database")

_ML_TOKEN = _set_of(
    "pad eos bos unk sep cls mask special additional num n max min new image video audio speech text start end "
    "begin first last next prev previous decoder encoder forced suppress stop word sub subword bpe prompt "
    "completion input output total per by use skip return add strip vocab placeholder boundary separator query "
    "label target content object box public csrf xsrf patch time register row newline whitespace suffix prefix middle"
)
_ML_KEY = _set_of(
    "primary foreign sort sorting group groupby partition public cache dict state metric score monitor label "
    "target feature sample batch data dataset input output image text index column col row item record field json "
    "yaml config param hash join lookup merge order rank query value num n max min use head add weight weights "
    "bias loss layer model module task class prefix experiment run trial study missing unexpected checkpoint scheduler "
    "object optimizer weight dtype config architecture arch"
)
_ML_PASS = _set_of(
    "n num max min total train eval val test inference per forward backward first second low high band one multi single"
)
_PLAIN_VARIABLE = _set_of("public pad eos bos unk sep cls mask num max min primary foreign sort partition host known")
"""Of those, the words that say the same in the name of an environment variable, where secrets are more usual."""
_ORDINARY = {"token": _ML_TOKEN, "key": _ML_KEY, "pass": _ML_PASS, "pw": _ML_PASS}
"""Words that, standing before a word of `MAYBE`, make it machine learning's own."""

_PLACES = _set_of("PWD OLDPWD GOOGLE_APPLICATION_CREDENTIALS")
"""Environment variables that are called like secrets and hold paths."""

_JOINED = {"".join(sequence): "-".join(sequence) for sequence in SECRET if len(sequence) > 1}
_JOINED_ENDINGS = (
    "secret",
    "password",
    "passwd",
    "passphrase",
    "apikey",
    *(joined for joined in _JOINED if len(joined) >= 9),
)
_SINGULAR = {f"{word}s": word for sequence in SECRET for word in sequence}
_LONGEST = max(map(len, SECRET))

_SECRET_FILES = _set_of(
    ".netrc _netrc .pgpass .git-credentials .pypirc .my.cnf .s3cfg .htpasswd .dockercfg id_rsa id_dsa id_ecdsa "
    "id_ed25519 *.p12 *.pfx *.jks *.keystore *.kdbx *.ppk"
)
"""Files that are credentials by what they are for, in formats that no rule for text reads."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_HUMP = re.compile(r"-(?![^\[]*\])|(?<=[a-z0-9])(?=[A-Z])(?![^\[]*\])")
_WORD_END = re.compile(r"\[[^\]]{0,64}\]|[^\w\[]|[\[_]|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
"""What stands between the words of a glob, wildcards too."""
_KEY_LIMIT = 256
_PIECE = 2
"""Letters: a word of no more may be a piece of one whose case changes within it."""

_IN_VARIABLES = MAYBE - {"session", "signature", "pin"}
"""Last words of environment variables that hold a secret, whatever it looks like."""

RULES = (
    {f"key-{'-'.join(sequence)}" for sequence in SECRET}
    | {f"key-{word}" for word in MAYBE}
    | {f"key-{words.replace(' ', '-')}" for words in _WHOLE}
    | {f"key-{of}-{word}" for of, word in product(_OF_PASS, _PASS)}
    | {"key-pw", f"key-{_SECRET_ID}", DENIED.rule}
)
"""Every rule that a key can be redacted by."""

DOUBTFUL_RULES = frozenset(f"key-{word}" for word in MAYBE - {"pw"}) | {f"key-{_SECRET_ID}"}
"""Those by which the value had to look like a credential as well."""


def words(key: str) -> list[str]:
    """The words of a key, in lower case: snake, camel, kebab and dotted are one; digits say nothing."""
    said = MARKER.sub(" ", key[-_KEY_LIMIT:])  # the rule that masked a part of the key says nothing about its value
    if not said.isascii():
        said = unicodedata.normalize("NFKC", said)
        for word, spelled in _FOREIGN.items():
            said = re.sub(word, f" {spelled} ", said, flags=re.IGNORECASE)
    return [word.lower() for word in _WORD.findall(said)]


def judge(key: str) -> Verdict | None:
    """The verdict by the words of a key; None for a plain one."""
    parts = words(key)
    if not parts or key in _PLACES:
        return None
    for whole in (" ".join(parts[-2:]), parts[-1]):
        if whole in _WHOLE:
            return Verdict(f"key-{whole.replace(' ', '-')}", True)
    if parts[-2:] == ["secret", "id"]:
        return Verdict(f"key-{_SECRET_ID}", False)
    of_pass = _of_pass(parts)
    if of_pass is not None:
        return Verdict(f"key-{of_pass}", True)
    if parts[-1] in _DESCRIBING:
        # The id of an access key is half of a pair whose other half stands beside it.
        is_half = _is_variable(key) and parts[-3:] == ["access", "key", "id"]
        return Verdict("key-key", False) if is_half else None
    named = _secret_sequence(parts)
    if named is None and any(len(part) <= _PIECE for part in parts):
        named = _secret_sequence(words(MARKER.sub(" ", key).lower()))  # `pAsSwOrD`, `APIkey`
    if named is not None:
        return Verdict(f"key-{named}", True)
    last = parts[-1].removesuffix("s") if parts[-1] == "creds" else parts[-1]
    ordinary = _PLAIN_VARIABLE if _is_variable(key) else _ORDINARY.get(last, frozenset())
    if last in MAYBE and not ordinary.intersection(parts[:-1]):
        return Verdict(f"key-{last}", False)
    return None


def judge_variable(name: str) -> Verdict | None:
    """The verdict for the name of an environment variable: stricter, as what it holds is rarely a hyperparameter."""
    verdict = judge(name)
    if verdict is None or verdict.certain:
        return verdict
    return Verdict(verdict.rule, verdict.rule.removeprefix("key-") in _IN_VARIABLES)


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
    return words(key)[-1:] != [] and words(key)[-1] in _SINGULAR


def describes(key: str) -> bool:
    """Whether a key in a mapping under a secret's name says something about the secret, or whose it is."""
    said = words(key)
    return bool(said) and (said[-1] in _DESCRIBING or said[-1] in _OWNER)


def is_secret_file(name: str) -> bool:
    """Whether a file of this name or path is a credential as a whole."""
    base = name.replace("\\", "/").rpartition("/")[2].lower()
    return any(fnmatch.fnmatchcase(base, pattern) for pattern in _SECRET_FILES)


def literals(patterns: Iterable[str]) -> set[str]:
    """For each name or glob its longest word, in lower case: what a text must contain for the key to be in it, however
    the words are joined there."""
    return {max(_WORD_END.split(pattern), key=len).lower() for pattern in patterns} - {""}


def _secret_sequence(parts: list[str]) -> str | None:
    for start, part in enumerate(parts):
        for length in range(min(_LONGEST, len(parts) - start), 0, -1):
            sequence = parts[start : start + length]
            singular = (*sequence[:-1], _SINGULAR.get(sequence[-1], sequence[-1]))
            if singular in SECRET:
                return "-".join(singular)
        if part in _JOINED:
            return _JOINED[part]
        word = _SINGULAR.get(part, part.removesuffix("s"))
        if word.endswith(_JOINED_ENDINGS):
            of_one = "secret" if word.endswith("secret") else "password"
            return next((dashed for joined, dashed in _JOINED.items() if word.endswith(joined)), of_one)
    return None


def _of_pass(parts: list[str]) -> str | None:
    """`ssh-pass` for `SSH_PASS` and `sshpass`."""
    if parts == ["pw"]:
        return "pw"
    last = parts[-1]
    word = next((word for word in _PASS if last.endswith(word)), None)
    if word is None:
        return None
    of = last.removesuffix(word) or (parts[-2] if len(parts) > 1 else "")
    return f"{of}-{word}" if of in _OF_PASS else None


def _is_variable(key: str) -> bool:
    return key.isupper() and "_" in key
