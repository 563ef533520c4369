"""No text takes the scanner more than linear time, whatever it is made of: also what is no secret after a long look.

Each rule alone is held to it in `test_rules.py`; here it is all of them, keys, markers and known values together.
"""

from __future__ import annotations

import base64
import random
import re
import time
from collections.abc import Callable, Iterable
from functools import partial

import pytest

from reticent_redact import Redactor
from reticent_redact.keys import key_literals
from reticent_redact.rules import (
    ai,
    cloud,
    code_hosts,
    commands,
    keys,
    messaging,
    monitoring,
    packages,
    payment,
    personal,
    web,
)
from reticent_redact.rules.rule import Rule

FAMILIES = [ai, cloud, code_hosts, commands, keys, messaging, monitoring, packages, payment, personal, web]
FAMILY = pytest.mark.parametrize("rules", [pytest.param(family.RULES, id=family.__name__) for family in FAMILIES])

SIZE = 20_000
LONG = 1_000_000
MOST_SECONDS = 3 * 8
"""For `LONG` characters: eight times what it may take on an idle machine."""

UNITS = {
    "plain": ["a", "7", "a@", "é", "A", "00", "\\n", "aB3/", "7 ", "-----", "1.2345678901234567, "],
    "urls": [
        "://a:",
        "a://:",
        "://a:b@",
        "?token=",
        "?token=?sig=",
        "&key=",
        "?password=xxxxxxxx",
        "?token=aaaaaaaaaaaa",
    ],
    "keys": ["password", "passwordpassword=", "key", "key-", "key.", "token  ", "token] ", "--password ", "api_key=${"],
    "bare": ["token=", "token=token=", "password=", "password: ", "password=,", "password=***", "password=\\"],
    "long": [
        "password=xxxxxxxx!",
        "secrets=a!?",
        "token=a1",
        "password é=",
        "password=a,",
        "[REDACTED:jwt]password=x ",
    ],
    "quoted": [
        'token="',
        '"password": "',
        "secret='",
        '"password":"\\',
        'password="""',
        "secret=\"a ' ",
        "password='a\\'",
    ],
    "elements": ["<password>", ":password>xxxxxxxx", "<password>a", "<a:password>xxxxxxxx"],
    "blocks": ["password: |\n  a\n", "password: |\n  xxxxxxxx\n", "api_key: |", "\ndata:\n a\n", '{"data":{"a":"b"},'],
    "containers": [
        '"password":["',
        '"password":[a,',
        '"password":{"a":',
        '{"passwords": ["x", ',
        "password: {a: b, ",
        "password:\n  - a\n",
        "password:\n  a: b\n",
        "password:\n",
        "a,password\n",
        "a,password\nb,c1\n",
        "password,password,",
        "secret,,\n,,\n",
        "|password",
        "|password|api_key\n--|--\n",
        "|password\n|--\n|a\n",
        '"columns":["password",',
        '"columns":["password"],"data":[["a"],',
        "<tr><th>password</th>",
        "<th>password</th></tr><tr><td>a</td>",
    ],
    "code": [
        "password = load(",
        "password = a.b.c[",
        "password=f((a)(password=",
        "password: str = ",
        'getenv("PASSWORD", ',
        'add_argument("--password", a ',
        'variable "password" { a ',
        '"value":"a","name":"password",',
        '"value":"value":"name":"password"}',
        "password -> ",
        "<password a ",
        "password%3D",
        "password%3A",
        '"password","a":"b","c":"d","e":"f"',
        '"value":"a","a":"b","c":"d","name":"password",',
        'password = (\n"',
        "password = (\n",
        "password = ('a'\n",
        'password = ("a" "a" ',
        '"password": a1\n',
        '"-password", "',
        "password=a * c ",
        "password: Field(a, a, ",
        'auth=("a", "',
    ],
    "markup": [
        "**password**: ",
        "\x1b[1mpassword",
        "password\x1b[0m",
        "password:\x1b[0m",
        "\x1b[0;1;1m;password:",
        "name>password</name>\n<value>",
        '<a name="password" ',
        '<a name="password">a1 ',
        "+password:\n+  - a\n",
        "password: |\n+ a\n",
    ],
    "wide": [
        "密码",
        "密码:",
        "пароль",
        "\uff50\uff41\uff53\uff53\uff57\uff4f\uff52\uff44=",
        "API key",
        "pAsSwOrD=xxxxxxxx!",
    ],
    "headers": [
        ":bearer+",
        ":bearer+1example",
        "Bearer a",
        "Bearer ",
        "basic aaaaaaaaaaaa",
        "ookie:a=",
        "curl a -u a ",
    ],
    "tokens": [
        "eyJ",
        "eyJ-",
        "eyJaaaaaaaaa.",
        "-----BEGIN " + "RSA PRIVATE KEY-----",
        "-----BEGIN " + "PRIVATE KEY-----a\n",
    ],
    "markers": ["[REDACTED:jwt]", "[REDACTED:", "[REDACTED:jwt"],
}
KNOWN = ["aaaaaaaa", "12345678", *(f"password{number}" for number in range(200))]


def filled(unit: str, size: int) -> str:
    return (unit * (size // len(unit) + 1))[:size]


def seconds(redactor: Redactor, text: str) -> float:
    start = time.process_time()
    redactor.redact_text(text)
    return time.process_time() - start


def grows_linearly(make: Callable[[int], str], size: int, redactor: Redactor) -> bool:
    """Four times the text is four times the work, and sixteen if it were quadratic: 2.6 for twice the text lies between.

    Tried again, against noise: the two are measured one after the other, and noise seldom is the same over one pair.
    """
    once, four = make(size), make(4 * size)
    return any(seconds(redactor, four) < 2.6**2 * seconds(redactor, once) for _ in range(10))


def assert_linear(units: Iterable[str], size: int = SIZE) -> None:
    redactor = Redactor()
    redactor.redact_text(filled("a ", 200_000))  # what is made once is made
    for unit in units:
        taken = seconds(redactor, filled(unit, size))
        assert taken < MOST_SECONDS * size / LONG, unit
        # Too little for the clock: if it is linear, ten times the text takes little as well.
        enough = size if taken > 0.005 else 10 * size
        assert grows_linearly(partial(filled, unit), enough, redactor), unit


def assert_bounded(units: Iterable[str], size: int = 10_000) -> None:
    """Time for what is bad by a factor of hundreds, although it is linear: a long look from every place."""
    redactor = Redactor()
    for unit in units:
        assert min(seconds(redactor, filled(unit, size)) for _ in range(2)) < MOST_SECONDS * size / LONG, unit


def assert_linear_together(units: list[str]) -> None:
    """The same of many, each filling a part of one text."""
    chosen = random.Random(7).sample(units, min(len(units), 12))
    redactor = Redactor()
    redactor.redact_text(filled("a ", 200_000))
    assert grows_linearly(lambda size: "\n".join(filled(unit, size) for unit in chosen), SIZE // 2, redactor), chosen


@pytest.mark.parametrize("units", UNITS.values(), ids=UNITS)
def test_a_text_of_one_piece(units: list[str]) -> None:
    assert_linear(units)


def test_base64() -> None:
    assert_linear([base64.b64encode(random.Random(5).randbytes(60 * SIZE)).decode()])


def test_the_words_of_keys() -> None:
    assert_linear(random.Random(6).sample(sorted(key_literals()), 40))


def alike(literals: Iterable[str]) -> list[str]:
    """One of those literals that differ in nothing but their letters."""
    return list({re.sub("[a-z]", "a", re.sub("[A-Z]", "A", literal)): literal for literal in literals}.values())


@FAMILY
def test_the_literals_of_a_family_of_rules(rules: tuple[Rule, ...]) -> None:
    literals = alike(literal for rule in rules for literal in rule.literals)
    assert_bounded(literals)
    assert_linear_together(literals)


@FAMILY
def test_examples_of_a_family_of_rules_that_are_none(rules: tuple[Rule, ...]) -> None:
    cut = [rule.hits[0][:-1] for rule in rules]
    assert_bounded(cut)
    assert_linear_together(cut)
    assert_bounded([re.sub("[0-9]", "a", rule.hits[0]) for rule in rules])
    assert_bounded([re.sub("[A-Za-z0-9]", "x", rule.hits[0]) for rule in rules])


def test_known_values_that_are_everywhere() -> None:
    redactor = Redactor()
    for value in KNOWN:
        redactor.register(value)
    for unit in ("a", "7", "password", "password1", "password19,", "12345678", "aaaaaaaa "):
        assert seconds(redactor, filled(unit, LONG // 10)) < MOST_SECONDS / 10, unit


def test_query_parameters_that_may_be_secrets_and_are_none() -> None:
    """A look as far as a query may reach, from each of many: linear, and still seconds if it is not a quick one."""
    redactor = Redactor()
    redactor.redact_text(filled("a ", 200_000))
    text = filled("?token=", LONG)
    assert min(seconds(redactor, text) for _ in range(2)) < MOST_SECONDS / 6
    assert grows_linearly(partial(filled, "?token="), LONG // 2, redactor)
