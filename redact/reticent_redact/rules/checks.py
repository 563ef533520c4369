"""What a match must pass beyond its form: checksums, and that it is no stand-in for a secret."""

from __future__ import annotations

import base64
import binascii
import re

from reticent_redact.later import later
from reticent_redact.plausible import is_filler, says_nothing

_STAND_IN = later(r"x{6}|[*]{3}|\.{3}|your[_-]|example|placeholder|redacted|changeme", re.IGNORECASE)
_SHOWN = 256
"""Characters of a secret that tell whether it is a stand-in."""
_DIGIT, _LETTER = later(r"\d"), re.compile(r"[^\W\d_]")
_STANDS_FOR = later(r"\[[A-Z_ -]{3,64}\]|[*#]{3,128}|%\(?[A-Za-z_]{0,32}\)?s?%?|\[REDACTED:[\w-]{1,64}\]", re.ASCII)
_ENCRYPTED = later(r"ENC\[[^\]\n]{0,4096}\]")  # as SOPS leaves it in a manifest
_WORDS = frozenset("none null nil true false undefined password passwd passphrase pass pwd secret token key".split())  # noqa: SIM905
_ISSUERS = tuple(
    (later(prefixes), frozenset(lengths))
    for prefixes, lengths in (
        (r"4", (13, 16, 19)),
        (r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720|220[0-4]|60|65|64[4-9]|62|35(?:2[89]|[3-8])|508|81|82", (16,)),
        (r"3[47]", (15,)),
        (r"30[0-5]|3095|36|38|39", (14,)),
        (r"6011|65|64[4-9]|62|35(?:2[89]|[3-8])", (19,)),
        (r"5018|5020|5038|5893|6304|6759|676[1-3]", range(12, 20)),
    )
)
"""Which lengths a card's number has, by its first digits; published by the card networks."""

IBAN_LENGTHS = {
    length: countries.split()
    for length, countries in {
        15: "NO",
        16: "BE",
        18: "DK FK FO FI GL NL SD",
        19: "MK SI",
        20: "AT BA EE KZ XK LT LU MN",
        21: "HR LV LI CH",
        22: "BH BG CR GE DE IE ME RS GB VA",
        23: "TL GI IQ IL OM SO AE",
        24: "AD CZ MD PK RO SA SK ES SE TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "BI DJ FR GR IT MR MC SM",
        28: "AL AZ BY CY DO SV GT HN HU LB NI PL",
        29: "BR EG PS QA UA",
        30: "JO KW MU YE",
        31: "MT SC",
        32: "LC",
        33: "RU",
    }.items()
}
"""The countries whose IBAN has so many characters, from the IBAN registry."""


def is_real(secret: str) -> bool:
    """Whether a match is more than a stand-in: no row of `x`, no `your_token`, and not the same few characters."""
    return len(set(secret[-16:])) >= 4 and _STAND_IN.search(secret, 0, _SHOWN) is None


def has_digit(secret: str) -> bool:
    return _DIGIT.search(secret) is not None and is_real(secret)


def has_both_cases(secret: str) -> bool:
    return secret.lower() != secret != secret.upper() and is_real(secret)


def is_mixed(secret: str) -> bool:
    """Whether there are letters and digits."""
    return _DIGIT.search(secret) is not None and _LETTER.search(secret) is not None and is_real(secret)


def is_varied(secret: str) -> bool:
    """Whether there are capitals, small letters and digits."""
    return _DIGIT.search(secret) is not None and has_both_cases(secret)


def is_no_data(secret: str) -> bool:
    """Whether Base64 is that of something random, and not of numbers, which have zeros between them."""
    return "AAAAA" not in secret and is_varied(secret)


def is_password(secret: str) -> bool:
    """Whether a password is one, and no reference to it (`${PASSWORD}`, `<password>`) and no word for it."""
    said = secret.strip()
    return said.lower() not in _WORDS and not says_nothing(said) and _STANDS_FOR.fullmatch(said) is None


def has_value(block: str) -> bool:
    """Whether one of the lines `name: value` has a value that is a secret and no reference to one."""
    lines = re.split("[\n,]", _ENCRYPTED.sub("", block))
    values = (line.rpartition(":")[2].strip(" \t\r\n\\\"'") for line in lines if line.lstrip()[:1] != "#")
    return any(len(value) >= 4 and is_password(value) and not is_filler(value) for value in values)


def is_basic(secret: str) -> bool:
    """Whether Base64 is that of `user:password`."""
    try:
        decoded = base64.b64decode(secret, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return False
    return ":" in decoded and decoded.isprintable()


def is_private_key(secret: str) -> bool:
    """Whether Base64 is that of a private key's PEM."""
    whole = len(secret[:96]) // 4 * 4  # what is cut off in the middle of a group is one all the same
    return b"PRIVATE KEY" in base64.b64decode(secret[:whole])


def luhn(digits: str) -> bool:
    """Whether the last of the digits is the check digit of the others (ISO/IEC 7812)."""
    doubled = [int(digit) * 2 for digit in digits[-2::-2]]
    return (sum(map(int, digits[-1::-2])) + sum(value - 9 * (value > 9) for value in doubled)) % 10 == 0


def is_card(secret: str) -> bool:
    """Whether digits, with spaces or hyphens between, are the number of a payment card."""
    digits = "".join(filter(str.isdigit, secret))
    known = any(prefix.match(digits) and len(digits) in lengths for prefix, lengths in _ISSUERS)
    return known and len(set(digits)) > 1 and luhn(digits)


def is_iban(secret: str) -> bool:
    """Whether the check digits are right (ISO 7064, mod 97)."""
    characters = secret.replace(" ", "").replace("-", "")
    return int("".join(str(int(character, 36)) for character in characters[4:] + characters[:4])) % 97 == 1


def is_no_shape(digits: str) -> bool:
    """Whether groups of digits are not all such as the widths of layers are (`512-256-1024`): multiples of 16 or 50."""
    return any(int(group) % 16 and int(group) % 50 for group in re.findall("[0-9]+", digits))
