"""Rules for what identifies a person: cards, accounts, social security numbers, addresses of e-mail and telephones.

Cards and accounts have check digits, and a match whose check fails is dropped. E-mail and telephone are only looked for
where texts of people are, and not in params: what is written there is a name of a thing more often than of a person.
"""

from __future__ import annotations

from reticent_redact.rules.checks import IBAN_LENGTHS, is_card, is_iban, is_no_shape
from reticent_redact.rules.forms import led
from reticent_redact.rules.rule import Rule

_TEXTS = frozenset({"artifact", "example", "console"})
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

_AROUND = "[A-Za-z_ \t\"':=#.-]"
"""What may stand between a word that says what a number is and the number."""

_CARD_WORD = r"(?i:card|credit|visa|amex|mastercard|ccn|(?<![A-Za-z])(?:pan|cc)(?![A-Za-z]))"

_NO_ID = r"(?<![,;\t\n][\"'])(?<![iI][dD][\"']:[\"'])(?<![iI][dD][\"']: [\"'])(?<![iI][dD]=[\"'])"
"""Where digits between quotes are a field of a table or an id."""

_THING = r"(?<![A-Za-z])(?i:part|sku|item|article|product|model|serial|catalog|order|lot|layers?|arch)(?![A-Za-z])"
"""A word for something that has a number and is no person."""

_OF_TREES = "_count=|weight=|_sizes="
_NO_ROW = f"(?<!{_OF_TREES})" + "".join(
    f"(?<![0-9] [0-9]{{{digits}}} )" + "".join(f"(?<!{name}[0-9]{{{digits}}} )" for name in _OF_TREES.split("|"))
    for digits in range(1, 10)
)
"""Where no row of numbers has begun: what stands at every leaf of a tree, as LightGBM writes it."""

_CARDS: tuple[Rule, ...] = (
    Rule(
        "card-number",
        led("0" * 12),
        # One in some thirty integers of that length passes the check: where numbers stand, a word has to say what it is.
        # The first digit is looked at first: files are full of long numbers, and all else takes longer.
        rf"(?={_AROUND}{{0,64}}[2-68])(?:(?={_AROUND}{{0,64}}?{_CARD_WORD}){_AROUND}{{0,64}}(?<=[ \t\"'=:#])"
        rf"|{_AROUND}{{0,64}}(?:(?<=[\"']){_NO_ID}(?=[0-9]{{12,19}}[\"'])"
        r"|(?<=[A-Za-z] )(?![0-9]{12,19}(?![0-9])[ \t]{0,4}(?:[0-9+-]|[,;][ \t]{0,4}[0-9+\"'-]))"
        r"|(?<![\s\S])(?=[0-9]{12,19}\s?\Z)))"
        r"(?P<secret>[2-6][0-9]{11,18}|8[12][0-9]{14})(?![0-9A-Za-z_]|\.[0-9])",
        is_card,
        "medium",
        before=f"{_LETTERS}_ \t\"':=#.-",
        hits=(
            "card 4111" + "1111" + "1111" + "1111",
            "card=3782" + "822463" + "10005,",
            "paid with 6011" + "0009" + "9013" + "9424 x",
            '{"card_number": 3056' + "930902" + "5904}",
            "'4111" + "1111" + "1111" + "1111'",
        ),
        misses=(
            "[4111" + "1111" + "1111" + "1111, 5]",
            '{"id": 4111' + "1111" + "1111" + "1111}",
            "1,4111" + "1111" + "1111" + "1111,3",
            '1,"4111' + "1111" + "1111" + '1111","a"',
            '"user_id": "4111' + "1111" + "1111" + '1111"',
            "seed(4202" + "165767276)",
            "4111" + "1111" + "1111" + "1112",
            "0.4111" + "1111" + "1111" + "1111",
            "1700000000000000000",
            "x4111" + "1111" + "1111" + "1111",
        ),
    ),
    Rule(
        "card-number-grouped",
        ("0000 0000 0000 0", "0000-0000-0000-0", "0000 000000 0000", "0000-000000-0000"),
        rf"{_NO_ROW}(?<![0-9A-Za-z_.-])"
        r"(?:[2-68][0-9]{3}(?P<gap>[ -])[0-9]{4}(?P=gap)[0-9]{4}(?P=gap)(?:[0-9]{4}|[0-9](?![0-9]))"
        r"|3[0-9]{3}(?P<wide>[ -])[0-9]{6}(?P=wide)[0-9]{4,5})(?![0-9A-Za-z_]|-[0-9])",
        is_card,
        hits=(
            "4111 " + "1111 1111 1111",
            "5555-" + "5555-5555-4444",
            "3782 " + "822463 10005",
            "4111 " + "1111 1111 1111 12/29",
            "no. 7 4111 " + "1111 1111 1111",
        ),
        misses=(
            "internal_count=4111 " + "1111 1111 1111 97",
            "tree_sizes=4111 " + "1111 1111 1111 97",
            "internal_weight=50 4111 " + "1111 1111 1111 97",
            "leaf_count=5000 4111 " + "1111 1111 1111 97",
            "20 164 4111 " + "1111 1111 1111 97",
            "4111 " + "1111 1111 1112",
            "1024 2048 4096 8192",
            "4111-" + "1111 1111 1111",
            "4111-" + "1111-1111-1111-0000",
        ),
    ),
    Rule(
        "card-number-of-nineteen",
        ("0000 0000 0000 0000 000", "0000-0000-0000-0000-000"),
        _NO_ROW + r"(?<![0-9A-Za-z_.-])[3-6][0-9]{3}(?P<gap>[ -])(?:[0-9]{4}(?P=gap)){3}[0-9]{3}(?![0-9A-Za-z_-])",
        is_card,
        hits=("6205 " + "5000 0000 0000 004",),
        misses=("164 20 6205 " + "5000 0000 0000 004", "6205 " + "5000 0000 0000 005", "6205 " + "5000 0000 0000 00"),
    ),
)

_IBAN_FORMS = "|".join(
    rf"(?:{'|'.join(countries)})[0-9]{{2}}(?:[ -]?[A-Z0-9]){{{length - 4}}}"
    for length, countries in IBAN_LENGTHS.items()
)

_NUMBERS: tuple[Rule, ...] = (
    Rule(
        "iban",
        tuple(f"{country}00" for countries in IBAN_LENGTHS.values() for country in countries),
        rf"(?<![A-Za-z0-9])(?:{_IBAN_FORMS})(?![A-Za-z0-9])",
        is_iban,
        hits=(
            "DE89" + "370400440532013000",
            "GB82 " + "WEST 1234 5698 7654 32",
            "BE68 " + "5390 0754 7034 EUR",
            "iban=FR14" + "20041010050500013M02606;",
        ),
        misses=(
            "DE89" + "370400440532013001",
            "ADE89" + "370400440532013000",
            "SE12 layers",
            "DE89" + "37040044053201300",
        ),
    ),
    Rule(
        "us-social-security-number",
        ("000-00-0000",),
        rf"(?!{_AROUND}{{0,64}}?{_THING})[A-Za-z_ \t\"':=#.,-]{{0,64}}(?<![\w.-])"
        r"(?P<secret>(?!000|666|9)[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4})(?![\w-])",
        before=f"{_LETTERS}_ \t\"':=#.,-",
        hits=("219-" + "09-1234", "ssn: 536-" + "22-8145."),
        misses=(
            "000-12-3456",
            "666-12-3456",
            "912-12-3456",
            "219-00-1234",
            "219-09-0000",
            "1219-09-1234",
            "part 219-" + "09-1234",
            "219-09-1234-5",
        ),
    ),
)

_DOMAINS = (
    "com org net edu gov mil int info biz name pro dev app tech cloud online site store shop email mail live news world "
    "today company solutions "
    "systems agency group team work space website digital media studio design network services software "
    "academy university institute health care bank law art museum travel jobs mobi tel coop aero blog club xyz zone example"
)

_CONTACTS: tuple[Rule, ...] = (
    Rule(
        "email",
        tuple(f"{character}@" for character in f"0{_LETTERS}_-+"),
        # What a host and a path follow is a place (`git@github.com:owner/repo`), and what a parenthesis follows is code.
        r"(?<![A-Za-z0-9._%+@/-])[A-Za-z0-9][A-Za-z0-9._%+-]{0,63}@(?:[A-Za-z0-9-]{1,63}\.){1,6}"
        rf"(?i:{'|'.join(_DOMAINS.split())}|[a-z]{{2}})(?![A-Za-z0-9_(\[@-]|\.[A-Za-z0-9]|[:/][A-Za-z0-9/~_.])",
        only_in=_TEXTS,
        before=_LETTERS + "0123456789._%+-",
        hits=("jane.doe@example.com", "mail: <j+x@mail.example.co.uk>."),
        misses=(
            "user@localhost",
            "@decorator",
            "git@github.com:owner/repo.git",
            "ssh://me@host.example.com/x",
            "q@k.transpose(1, 2)",
            "package@1.2.3",
        ),
    ),
    Rule(
        "phone-e164",
        ("+0000000", "+0 0", "+00 0", "+000 0", "+0-0", "+00-0", "+000-0", "+0 (", "+00 (", "+000 (", "+0(", "+00("),
        r"(?<![\w+/.)-])\+[1-9]"
        # In one piece it has ten digits or more, and no other number stands beside it, as in a column of them.
        r"(?:(?<![0-9][ ,;\t\n]\+.)(?<![0-9][ ,;\t]{2}\+.)[0-9]{9,14}(?![ ,;\t\r\n]{1,16}[+-]?[0-9])"
        r"|[0-9]{0,2}[ -]?(?:\([0-9]{1,4}\)[ -]?)?[0-9]{2,8}(?:[ -][0-9]{2,8}){1,4})(?![\w+/=]|[.-][0-9])",
        lambda secret: 8 <= sum(map(str.isdigit, secret)) <= 15,
        "medium",
        _TEXTS,
        hits=("+14155552671", "+1 415 555 2671", "+44 20 7946 0958", "+1 (415) 555-2671", "+49-30-901820"),
        misses=(
            "+1 2",
            "+12345678 -2345678",
            "+14155552671,-14155552671",
            "-2345678901\n+2345678901\n",
            "1+14155552671",
            "+0 415 555 2671",
            "+00:00",
            "x+1 415",
        ),
    ),
    Rule(
        "phone-us",
        ("000-000-0000", "(000) 000-0000", "(000)000-0000", "000.000.0000"),
        r"(?:\((?P<open>)|(?<![\w.(+/-]))[2-9][0-9]{2}"
        r"(?(open)\)[ ]?|(?P<gap>[.-]))[2-9][0-9]{2}(?(open)-|(?P=gap))[0-9]{4}(?![\w-]|\.[0-9])",
        is_no_shape,
        only_in=_TEXTS,
        confidence="medium",
        hits=("415-555-2671", "(415) 555-2671", "call 415.555.2671."),
        misses=("115-555-2671", "415-155-2671", "415-555-26711", "1415-555-2671", "415.555-2671", "768-256-2048"),
    ),
    Rule(
        "phone-national",
        ("00 00 00 00 00", "000 0000 0000", "00000 000000", "0000 000 0000"),
        r"(?<![\w.+-])(?<!\b[0-9A-Fa-f]{2} )0(?:[1-79](?: [0-9]{2}){4}"
        r"|20 [378][0-9]{3} [0-9]{4}|7[0-9]{3} [0-9]{6}|1[0-9]{2} [0-9]{3} [0-9]{4})(?![\w.-]| [0-9A-Fa-f]{2}\b)",
        only_in=_TEXTS,
        confidence="low",
        hits=("tel 01 42 68 53 00", "020 7946 0958", "07911 123456"),
        misses=("00 11 22 33 44", "7f 01 42 68 53 00", "01 42 68 53 00 ff", "12345 123456"),
    ),
)

RULES: tuple[Rule, ...] = (*_CARDS, *_NUMBERS, *_CONTACTS)
