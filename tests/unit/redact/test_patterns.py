"""Users' own rules: linear in time whatever they are, or refused with an error that says which and why."""

from __future__ import annotations

import pytest

from reticent_redact import PatternError, Policy, Redactor, UserRule

EMPLOYEE = UserRule("employee-id", r"\bEMP-(?P<secret>\d{6})\b", hits=("EMP-123456",), misses=("EMP-12",))


def redactor(*rules: UserRule) -> Redactor:
    return Redactor(Policy(rules=rules))


def test_a_rule_of_the_users() -> None:
    redact = redactor(EMPLOYEE).redact
    assert redact("note", "it was EMP-123456, ünd EMP-654321") == (
        "it was EMP-[REDACTED:employee-id], ünd EMP-[REDACTED:employee-id]"
    )
    assert redact("c", ["EMP-123456"]) == ["EMP-[REDACTED:employee-id]"]
    assert redact("note", "EMP-12") == "EMP-12"


def test_a_rule_has_an_action_and_channels_of_its_own() -> None:
    rule = UserRule("ticket", r"TICKET-\d+", action="drop", only_in=("tag",))
    assert redactor(rule).seal("a TICKET-7 b", channel="tag") == "a  b"
    assert redactor(rule).seal("a TICKET-7 b", channel="param") == "a TICKET-7 b"


def test_a_secret_of_many_lines() -> None:
    rule = UserRule("block", r"(?s)BEGIN.*?END")
    assert redactor(rule).redact_text("x BEGIN\nabc\nEND y BEGIN") == "x [REDACTED:block] y BEGIN"


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (UserRule("Bad Id", "x"), "rule 'Bad Id': an id is made of small letters"),
        (UserRule("back", r"(a)\1"), "rule 'back': RE2 cannot use the pattern"),
        (UserRule("ahead", r"(?=a)b"), "rule 'ahead': RE2 cannot use the pattern"),
        (UserRule("open", "(a"), "rule 'open': RE2 cannot use the pattern"),
        (UserRule("huge", "(a{1000}){1000}"), "rule 'huge': RE2 cannot use the pattern"),
        (UserRule("empty", "a*"), "rule 'empty': the pattern matches empty text"),
        (UserRule("hit", "a+", hits=("a", "b")), "rule 'hit': example 2 of hits is not found"),
        (UserRule("miss", "a+", misses=("b", "a")), "rule 'miss': example 2 of misses is found"),
    ],
)
def test_a_rule_that_cannot_be_used(rule: UserRule, message: str) -> None:
    with pytest.raises(PatternError, match=message):
        redactor(rule)


def test_two_rules_with_one_id() -> None:
    with pytest.raises(PatternError, match="another rule has this id"):
        redactor(EMPLOYEE, EMPLOYEE)


def test_ten_thousand_rules() -> None:
    rules = [UserRule(f"customer-{number}", rf"\bcustomer-{number:05d}\b") for number in range(10_000)]
    redact = redactor(*rules).redact_text
    assert redact("x customer-00007 y customer-09999 z customer-10000") == (
        "x [REDACTED:customer-7] y [REDACTED:customer-9999] z customer-10000"
    )
