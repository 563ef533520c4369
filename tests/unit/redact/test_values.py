"""Every rule for values does what its examples say, and costs what its form says."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from reticent_redact import Redactor
from reticent_redact.text import Scanner
from reticent_redact.values import RULES, SHORTEST, Rule, looks_like_credential

HITS = [pytest.param(rule, example, id=f"{rule.id}-{n}") for rule in RULES for n, example in enumerate(rule.hits)]
MISSES = [pytest.param(rule, example, id=f"{rule.id}-{n}") for rule in RULES for n, example in enumerate(rule.misses)]


def found(text: str) -> list[str]:
    return [span.rule for span in Scanner(lambda key: None, ()).spans(text)]


@pytest.mark.parametrize(("rule", "example"), HITS)
def test_a_hit(rule: Rule, example: str) -> None:
    assert rule.id in found(example)
    assert rule.id in found(f"see {example}, y")
    redacted = Redactor().redact_text(example)
    assert f"[REDACTED:{rule.id}]" in redacted
    assert Redactor().redact_text(redacted) == redacted


@pytest.mark.parametrize(("rule", "example"), HITS)
def test_the_fast_path_of_short_text_hides_no_rule(rule: Rule, example: str) -> None:
    for length in range(min(SHORTEST, len(example) + 1)):
        short = example[:length]
        assert rule.id not in found(short) or ":" in short or "=" in short or "--" in short


@pytest.mark.parametrize(("rule", "example"), MISSES)
def test_a_miss(rule: Rule, example: str) -> None:
    assert rule.id not in found(example)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_rules_are_complete(rule: Rule) -> None:
    assert rule.hits
    assert rule.misses
    assert rule.literals
    assert all(literal == literal.lower() for literal in rule.literals)


def test_only_the_password_of_a_url_goes() -> None:
    redact = Redactor().redact_text
    assert redact("https://user:pw@host/x") == "https://user:[REDACTED:url-password]@host/x"
    assert redact("postgresql+psycopg://u:pw@h/db") == "postgresql+psycopg://u:[REDACTED:url-password]@h/db"


def test_a_private_key_goes_to_its_end_and_no_further() -> None:
    begin, end = "-----BEGIN " + "EC PRIVATE KEY-----", "-----END " + "EC PRIVATE KEY-----"
    redact = Redactor().redact_text
    assert redact(f"a\n{begin}\nMHcCAQ\n{end}\nb") == "a\n[REDACTED:pem-private-key]\nb"
    assert redact(f'"{begin}\\n"\n"MHcCAQ\\n"\n"{end}"') == '"[REDACTED:pem-private-key]"'
    assert "MHcCAQ" not in redact(f"{begin}\nMHcCAQ\n")
    assert "MHcCAQ" not in redact(f"{begin}\nMHcCAQ\n{end}{begin}\nMHcCAQ\n{end}")  # nothing between the two


@pytest.mark.parametrize(
    "value",
    ["a1B2c3D4e5F6g7H8", "3f2a9c1e-7b4d-4e2a-9f1b-0c8d7e6f5a4b", "0123456789abcdef" * 4, "dGhpc0lzQVNlY3JldDEyMw=="],
)
def test_what_looks_like_a_credential(value: str) -> None:
    assert looks_like_credential(value)


@pytest.mark.parametrize(
    "value",
    [
        "adam",
        "bert-base-uncased",
        "[SEP]",
        "</s>",
        "<|endoftext|>",
        "2026-11-23T12:00:01",
        "/data/run1/a1B2c3D4e5F6g7H8",
        "a b" * 9,
        "https://example.org/a1B2c3D4e5F6g7H8",
        "features_of_the_last_layer",
        "1234567890123456789",
        "model.layers.12.self_attn.q_proj",
    ],
)
def test_what_does_not(value: str) -> None:
    assert not looks_like_credential(value)


def _seconds(text: str) -> float:
    scan = Redactor().redact_text
    seconds = []
    for _ in range(3):
        start = time.process_time()
        scan(text)
        seconds.append(time.process_time() - start)
    return min(seconds)


LITERALS = sorted({literal for rule in RULES for literal in rule.literals})
REPEATED = [
    pytest.param(lambda n: "a" * n, id="letters"),
    pytest.param(lambda n: "7" * n, id="digits"),
    *(pytest.param(lambda n, unit=unit: unit * (n // len(unit)), id=unit.strip()) for unit in LITERALS),
    *(
        pytest.param(lambda n, unit=f"{rule.hits[0]}-": unit * (n // len(unit)), id=f"whole-{rule.id}")
        for rule in RULES
    ),
    *(
        pytest.param(
            lambda n, unit=rule.hits[0]: unit[: len(unit) // 2] * (n // (len(unit) // 2)), id=f"half-{rule.id}"
        )
        for rule in RULES
    ),
    *(
        pytest.param(lambda n, unit=unit: unit * (n // len(unit)), id=repr(unit))
        for unit in (
            *(
                "password",
                "password=",
                "password: ",
                "token=token=",
                "?token=",
                "?token=?sig=",
                "&key=",
                "--password ",
                "secret='",
            ),
            *(
                '"password": "',
                '"password":"\\',
                "password=\\",
                "password=,",
                "password=***",
                'password="""',
                "api_key=${",
                "://a:",
                "://a:b@",
            ),
            *(
                "-----BEGIN RSA PRIVATE KEY-----",
                "-----BEGIN PRIVATE KEY-----a\n",
                "eyJ-",
                "eyJaaaaaaaaa.",
                "[REDACTED:jwt]",
                "[REDACTED:",
            ),
            *(
                "[REDACTED:jwt]password=x ",
                "key",
                "key-",
                "key.",
                "é",
                "password é=",
                "Bearer ",
                "Bearer a",
                "basic aaaaaaaaaaaa",
            ),
        )
    ),
]


@pytest.mark.parametrize("make", REPEATED)
def test_the_work_grows_with_the_text_and_no_faster(make: Callable[[int], str]) -> None:
    n = 10_000
    while (once := _seconds(make(n))) < 0.005 and n < 1_000_000:  # long enough for the clock's grain
        n *= 2
    # Four times the text is four times the work, and sixteen if it were quadratic; tried again, against noise.
    assert any(_seconds(make(4 * n)) < 8 * _seconds(make(n)) for _ in range(3)), once
