"""Rules for private keys, however they are written, and for the hashes that systems keep of passwords."""

from __future__ import annotations

import base64
import re

from reticent_redact.rules.checks import is_mixed, is_private_key, is_real
from reticent_redact.rules.forms import ALONE, mixed
from reticent_redact.rules.rule import Rule


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _has_body(block: str) -> bool:
    """Whether there is more between the lines of a block than a word about it."""
    return re.search(r"[A-Za-z0-9+/]{16}", block.partition("KEY")[2]) is not None


_BEGIN, _END = "-----BEGIN ", "-----END "
# Hyphens are in it, five of them are not: the pieces can be told apart in one way only.
_PEM_BODY = r"[^-]{0,16384}(?:-(?!----)[^-]{0,16384}){0,32}"
_PEM_QUOTED = r"[^-\"'`]{0,16384}(?:-(?!----)[^-\"'`]{0,16384}){0,32}"

RULES: tuple[Rule, ...] = (
    Rule(
        "pem-private-key",
        (_BEGIN,),
        r"-----BEGIN (?:[A-Z0-9]{1,16} ){0,4}PRIVATE KEY(?: BLOCK)?-----"
        # To its END, whatever stands between (it may be lines of source code); without one, to the end of a quotation.
        rf"(?:{_PEM_BODY}-----END [A-Z0-9 ]{{1,80}}-----|{_PEM_QUOTED})",
        _has_body,
        hits=(
            _BEGIN
            + "RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIEow"
            + "IBAAKCAQEAvT7x\n"
            + _END
            + "RSA PRIVATE KEY-----",
            _BEGIN + "OPENSSH PRIVATE KEY-----\\nb3BlbnNzaC1r" + "ZXktdjEAAAAA\\n",
            _BEGIN + "PGP PRIVATE KEY BLOCK-----\n\nlQOY" + "BF4bQ0cAbCdEfG\n" + _END + "PGP PRIVATE KEY BLOCK-----",
            _BEGIN + "ENCRYPTED PRIVATE KEY-----\\nMIIE" + "ow1BAAKCAQEA\\n" + _END + "ENCRYPTED PRIVATE KEY-----",
        ),
        misses=(
            _BEGIN + "PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",
            _BEGIN + "CERTIFICATE-----\nMIIB",
            _BEGIN + "PRIVATE KEY-----\nanything\n" + _END + "PRIVATE KEY-----",
        ),
    ),
    Rule(
        "ssh2-private-key",
        ("---- BEGIN SSH0 ",),
        r"---- BEGIN SSH2 (?:ENCRYPTED )?PRIVATE KEY ----[^-]{0,16384}(?:-(?!---)[^-]{0,4096}){0,8}"
        r"(?:---- END [A-Z0-9 ]{1,40} ----)?",
        hits=(
            "---- BEGIN SSH2 "
            + "ENCRYPTED PRIVATE KEY ----\nP2/56wAAAi4AAAA3\n---- END SSH2 ENCRYPTED PRIVATE KEY ----",
        ),
        misses=("---- BEGIN SSH2 PUBLIC KEY ----\nAAAAB3\n---- END SSH2 PUBLIC KEY ----",),
    ),
    Rule(
        "putty-private-key",
        ("Private-Lines: ",),
        r"Private-Lines: [0-9]{1,3}(?:\r?\n|\\r\\n|\\n)(?P<secret>(?:[A-Za-z0-9+/=]{1,64}(?:\r?\n|\\r\\n|\\n)){1,200})",
        hits=("Private-Lines: 2\n" + mixed(64) + "\n" + mixed(40) + "==\n",),
        misses=("Private-Lines: 2", "Private-Lines: none\n"),
    ),
    Rule(
        "pem-private-key-base64",
        (_base64(_BEGIN)[:14],),
        ALONE + _base64(_BEGIN)[:14] + r"[A-Za-z0-9+/]{60,16384}={0,2}",
        is_private_key,
        hits=(
            _base64(_BEGIN + "RSA PRIVATE KEY-----\n" + mixed(100)),
            "key: " + _base64(_BEGIN + "PRIVATE KEY-----\n" + mixed(99)),
        ),
        misses=(_base64(_BEGIN + "CERTIFICATE-----\n" + mixed(100)),),
    ),
    Rule(
        "password-hash",
        ("$0$", "$0a$", "$0b$", "$0y$", "$y$", "$gy$", "$argon0", "$apr0$"),
        r"(?:\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}|\$argon2(?:id|i|d)\$v=[0-9]{2}\$[a-z0-9=,]{8,64}\$[A-Za-z0-9+/]{11,128}\$[A-Za-z0-9+/]{16,256}"
        r"|\$(?:1|apr1)\$[./A-Za-z0-9]{1,8}\$[./A-Za-z0-9]{22}"
        r"|\$[56]\$(?:rounds=[0-9]{1,9}\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{43,86}"
        r"|\$g?y\$[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{1,86}\$[./A-Za-z0-9]{43})(?![./A-Za-z0-9])",
        is_real,
        hits=(
            "root:$6$" + mixed(16) + "$" + mixed(86) + ":19000:0:99999:7:::",
            "$2b$12$" + mixed(53),
            "$argon2id$v=19$m=65536,t=3,p=4$" + mixed(22) + "$" + mixed(43),
            "$y$j9T$" + mixed(22) + "$" + mixed(43),
            "$apr1$" + mixed(8) + "$" + mixed(22),
        ),
        misses=("costs $1$ or $6$ a day", "$2b$12$" + mixed(20), "$6$" + mixed(16) + "$" + mixed(20)),
    ),
    Rule(
        "django-password-hash",
        ("pbkdf0_sha000$", "argon0$argon0", "bcrypt_sha000$"),
        r"(?:pbkdf2_sha256\$[0-9]{4,9}\$[A-Za-z0-9]{8,64}\$|argon2(?=\$argon2)|bcrypt_sha256\$)(?P<secret>[A-Za-z0-9+/=$,]{40,256})",
        is_mixed,
        hits=("pbkdf2_sha256$600000$" + mixed(22) + "$" + mixed(43) + "=",),
        misses=("pbkdf2_sha256$600000$" + mixed(22) + "$short", "pbkdf2_sha256"),
    ),
)
