"""What a policy decides: what is hidden besides, what is left, and what stands in its place."""

from __future__ import annotations

import re
from typing import Any

import pytest

from reticent_redact import LEFT_OUT, UNSCANNED, Match, Policy, Redactor, Report, UserRule

GITHUB = "ghp_" + "a1B2" * 9
KEY = b"0123456789abcdef"


@pytest.mark.parametrize("glob", ["customer_*", "customer_name", "customerName", "customer-name", "CUSTOMER_NAME"])
@pytest.mark.parametrize("key", ["customer_name", "customer-name", "customerName", "CustomerName", "CUSTOMER_NAME"])
def test_a_denied_name_is_denied_in_all_spellings(glob: str, key: str) -> None:
    redactor = Redactor(Policy(deny=(glob,)))
    hidden = "[REDACTED:key-denied]"
    assert redactor.redact("config", {key: "acme"}) == {key: hidden}
    for before, after in (("=", ""), ("='", "'"), (": ", "")):
        assert redactor.redact_text(f"a {key}{before}acme{after} b") == f"a {key}{before}{hidden}{after} b"
    assert redactor.redact_text(f"run --{key} acme") == f"run --{key} {hidden}"
    assert redactor.redact_text("name=acme customers=acme") == "name=acme customers=acme"


@pytest.mark.parametrize("glob", ["staff[0-9]_*", "s?aff_*", "sha256Staff*", "[!x]taff1_*"])
def test_wildcards_and_numbers_in_a_denied_name(glob: str) -> None:
    key = "sha256_staff_x" if "sha" in glob else "staff1_x"
    redacted = Redactor(Policy(deny=(glob, "staff_x"))).redact_text(f"{key}=acme")
    assert redacted == f"{key}=[REDACTED:key-denied]"


def test_what_the_user_keeps_goes_before_what_is_denied_and_that_before_the_rules() -> None:
    redactor = Redactor(Policy(keep=("public_*", "db.password"), deny=("public_notes", "internal_*")))
    assert redactor.redact("public_notes", "x") == "x"
    assert redactor.redact("internalName", "x") == "[REDACTED:key-denied]"
    assert redactor.redact("c", {"db": {"password": "x"}, "cache": {"password": "x"}}) == {
        "db": {"password": "x"},
        "cache": {"password": "[REDACTED:key-password]"},
    }
    assert redactor.redact_text("internal_name=abc public_key_password=x") == (
        "internal_name=[REDACTED:key-denied] public_key_password=x"
    )


def test_keeping_a_key_leaves_what_its_value_looks_like_to_the_other_rules() -> None:
    assert Redactor(Policy(keep=("hub_token",))).redact("hub_token", GITHUB) == "[REDACTED:github-token]"
    redactor = Redactor(Policy(keep=("hub_token:github-*",)))
    assert redactor.redact("hub_token", f" {GITHUB} ") == "[REDACTED:key-hub-token]"
    assert redactor.redact("note", f"x {GITHUB}") == "x [REDACTED:github-token]"
    assert Redactor(Policy(keep=("*:github-token",))).redact("note", f"x {GITHUB}") == f"x {GITHUB}"


def test_equal_secrets_have_equal_hashes_under_one_key_and_one_rule() -> None:
    first, second = (Redactor(Policy(actions={"*": "hash"}, hash_key=KEY)) for _ in range(2))
    hashed = first.redact("password", "hunter2")
    assert re.fullmatch(r"\[REDACTED:key-password:[0-9a-f]{16}@[0-9a-f]{6}\]", hashed)
    assert second.redact("password", "hunter2") == hashed
    assert second.redact("password", "hunter3") != hashed
    assert second.redact("api_key", "hunter2")[24:] != hashed[24:]
    assert first.redact("password", hashed) == hashed
    assert first.redact_text(f"password={hashed}") == f"password={hashed}"
    other = Redactor(Policy(actions={"*": "hash"}, hash_key=KEY[::-1])).redact("password", "hunter2")
    assert other.partition("@")[2] != hashed.partition("@")[2]


def test_without_a_key_hashes_compare_within_the_process_only_and_say_so() -> None:
    first, second = (Redactor(Policy(actions={"key-*": "hash"})) for _ in range(2))
    assert first.redact("password", "x").endswith("@process]")
    assert first.redact("password", "x") != second.redact("password", "x")
    assert first.redact("note", GITHUB) == "[REDACTED:github-token]"


@pytest.mark.parametrize("key", [b"short", b"x" * 65])
def test_a_key_that_is_too_short_or_too_long(key: bytes) -> None:
    with pytest.raises(ValueError, match="16 to 64 bytes"):
        Redactor(Policy(hash_key=key))


def test_what_is_dropped_leaves_nothing() -> None:
    redactor = Redactor(Policy(actions={"key-password": "drop", "github-token": "drop"}))
    assert redactor.redact("c", {"password": "x", "n": [1, f"a {GITHUB}!"]}) == {"n": [1, "a !"]}
    assert redactor.redact("password", "x") is None
    assert redactor.seal("x", channel="param", key="password") == LEFT_OUT
    assert redactor.redact_text("password=hunter2, n=1") == "password=, n=1"


def test_an_action_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match="'jwt' has an action that does not exist; there are mask, hash, drop, keep"):
        Policy(actions={"jwt": "hide"})  # type: ignore[dict-item]  # what the test is about


def test_only_listed_params_leave() -> None:
    redactor, report = Redactor(Policy(only=("learning_rate", "model.*"))), Report()
    for key, value in {"learning_rate": 0.1, "model.depth": 3, "customer": "x", "age": 7}.items():
        sealed = redactor.seal(value, channel="param", key=key, report=report)
        assert sealed == (LEFT_OUT if key in ("customer", "age") else str(value))
    assert redactor.seal("x", channel="tag", key="customer") == "x"
    assert {hidden[:3]: count for hidden, count in report.counts().items()} == {("param", "not-listed", "drop"): 2}


def test_a_callback_decides_what_is_not_kept() -> None:
    asked: list[Match] = []

    def decide(match: Match) -> Any:
        asked.append(match)
        return {"key-password": "hash", "github-token": "keep"}.get(match.rule)

    redactor = Redactor(Policy(decide=decide, keep=("kept",)))
    assert redactor.redact("db", {"password": "hunter2"})["password"].startswith("[REDACTED:key-password:")
    assert redactor.redact("note", f"a {GITHUB}") == f"a {GITHUB}"
    assert redactor.redact("secret", "x") == "[REDACTED:key-secret]"
    assert (asked[0].rule, asked[0].path, asked[0].channel, asked[0].text) == (
        "key-password",
        "db.password",
        "value",
        "hunter2",
    )
    assert "hunter2" not in repr(asked[0])


@pytest.mark.parametrize("answer", ["nonsense", 7, ZeroDivisionError()])
def test_a_callback_that_fails_withholds_the_value(answer: Any) -> None:
    def decide(match: Match) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    report = Report()
    assert Redactor(Policy(decide=decide)).seal("hunter2", channel="param", key="password", report=report) == UNSCANNED
    assert {hidden[:3] for hidden in report.counts()} == {("param", "unscanned", "withhold")}


def test_what_was_clean_in_one_place_is_not_taken_for_clean_in_another() -> None:
    redactor = Redactor(Policy(deny=("private.note",)))
    assert redactor.redact("note", "an ordinary text") == "an ordinary text"
    assert redactor.redact("private", {"note": "an ordinary text"}) == {"note": "[REDACTED:key-denied]"}
    assert redactor.redact("private", {"note": "adam"}) == {"note": "[REDACTED:key-denied]"}
    assert redactor.redact("note", "adam") == "adam"


def test_the_audit_says_how_sure_a_rule_is() -> None:
    report = Report()
    Redactor().redact("c", {"password": "x", "my_token": "Zx9Qw7Er5Ty3Ui1Op2As"}, report)
    assert {hidden.rule: hidden.confidence for hidden in report.counts()} == {
        "key-password": "high",
        "key-token": "medium",
    }


def test_a_rule_for_one_channel_sees_what_was_clean_in_another() -> None:
    redactor = Redactor(Policy(rules=(UserRule("corp-id", "corp-[0-9]{8}", only_in=("tag",)),)))
    assert redactor.seal("corp-12345678", channel="param", key="a") == "corp-12345678"
    assert redactor.seal("corp-12345678", channel="tag", key="a") == "[REDACTED:corp-id]"


def test_a_rule_of_the_users_sees_short_values() -> None:
    assert Redactor(Policy(rules=(UserRule("short-id", "c-[0-9]{3}"),))).redact("a", "c-123") == "[REDACTED:short-id]"
