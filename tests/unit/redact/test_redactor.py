"""What the redactor promises: nothing planted survives, nothing of the caller's changes, nothing is raised."""

from __future__ import annotations

import copy
import dataclasses
import json
import re
import sys
import threading
from collections import OrderedDict, namedtuple
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from reticent_redact import UNSCANNED, Policy, Redactor, Report
from reticent_redact.rules import RULES
from reticent_redact.text import SHORTEST, Scanner

GITHUB = "ghp_" + "a1B2" * 9
OPAQUE = "Zx9Qw7Er5Ty3Ui1Op2As"
SECRETS = [hit for rule in RULES if not rule.only_in for hit in rule.hits]

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
keys = st.text() | st.sampled_from(
    ["password", "token", "api_key", "credentials", "solver", "num_tokens", "auth", GITHUB]
)
plain = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(keys, inner) | st.sets(st.text() | st.integers())
    ),
    max_leaves=12,
)
# Pieces that rules are made of, in any order: what random characters would hardly ever be.
NAMES = "password secret api_key token hub_token key --password --token ?token= &sig= Bearer Basic user: @ @host :// https://"
MARKS = ["=", ": ", ":", ' "', '"', "'", "\\", '\\"', "\\n", "\n", " ", *",;&[]{}/-_.a7é"]
MARKERS = ["[REDACTED:jwt]", "[REDACTED:key-password]", UNSCANNED, "[REDACTED:", "[REDACTED:none-of-ours]"]
PREFIXES = [*(hit[: len(hit) // 2] for hit in SECRETS), *(rule.literals[0] for rule in RULES)]
pieces = st.sampled_from([*SECRETS, *PREFIXES, *NAMES.split(), *MARKS, *MARKERS, OPAQUE, "***", "${A}"])
fragments = st.lists(pieces | st.text(max_size=4), max_size=12).map("".join)

Login = namedtuple("Login", "user password")


@dataclasses.dataclass
class Settings:
    host: str
    api_key: str


@pytest.mark.parametrize("value", ["lbfgs", 7, 0.5, True, None, [1, 2, 3], 1j, "", [0.1, None, "adam"]])
def test_ordinary_values_pass_as_they_are(value: Any) -> None:
    assert Redactor().redact("solver", value) == value


@pytest.mark.parametrize("value", [7, 12345678, 0.5, True, None, [1, 2, 3]])
def test_numbers_and_literals_are_never_secret_whatever_the_key(value: Any) -> None:
    assert Redactor(Policy(deny=("*",))).redact("password", value) == value


@pytest.mark.parametrize("value", ["", "None", "null", "true", "${DB_PASSWORD}", "<your-password>", "********"])
def test_a_secret_key_without_a_secret(value: str) -> None:
    assert Redactor().redact("password", value) == value


def test_secret_and_ambiguous_keys() -> None:
    redact = Redactor().redact
    assert redact("password", "x") == "[REDACTED:key-password]"
    assert redact("api_key", b"x") == b"[REDACTED:key-api-key]"
    assert redact("my_token", OPAQUE) == "[REDACTED:key-token]"
    assert redact("my_token", "mean") == "mean"
    assert redact("pad_token", OPAQUE[::-1]) == OPAQUE[::-1]
    assert redact("solver", OPAQUE[::-1]) == OPAQUE[::-1]  # random-looking, and nothing else speaks for it


def test_structures_keep_their_form() -> None:
    redact = Redactor().redact
    assert redact("c", {"a": [{"password": "x"}, ("y", {"z"})], 1: 2}) == {
        "a": [{"password": "[REDACTED:key-password]"}, ("y", {"z"})],
        1: 2,
    }
    assert redact("credentials", {"user": "bob", "parts": ["a", "b"]}) == {
        "user": "[REDACTED:key-credential]",
        "parts": ["[REDACTED:key-credential]"] * 2,
    }
    assert redact("c", Login("bob", "x")) == {"user": "bob", "password": "[REDACTED:key-password]"}
    assert redact("c", Settings("h", "x")) == {"host": "h", "api_key": "[REDACTED:key-api-key]"}
    assert redact("c", OrderedDict(secret="x")) == {"secret": "[REDACTED:key-secret]"}
    assert redact("c", MappingProxyType({"secret": "x"})) == {"secret": "[REDACTED:key-secret]"}
    assert redact("c", frozenset({GITHUB})) == frozenset({"[REDACTED:github-token]"})
    assert redact("c", PurePosixPath("/a/b")) == "/a/b"
    assert redact("c", ValueError(f"no access with {GITHUB}")) == "ValueError: no access with [REDACTED:github-token]"


def test_the_value_of_a_flag_in_a_list() -> None:
    redact = Redactor().redact
    assert redact("argv", ["t.py", "--password", "x", "--lr", "0.1"]) == [
        "t.py",
        "--password",
        "[REDACTED:key-password]",
        "--lr",
        "0.1",
    ]
    assert redact("argv", ["--password=x", "y"]) == ["--password=[REDACTED:key-password]", "y"]
    assert redact("argv", ["--password", "--lr", "0.1"]) == ["--password", "--lr", "0.1"]


def test_secrets_in_the_keys_of_a_mapping() -> None:
    other = "ghp_" + "b2C3" * 9
    assert Redactor().redact("c", {GITHUB: 1, other: 2, b"k": 3, (1, GITHUB): 4}) == {
        "[REDACTED:github-token]": 1,
        "[REDACTED:github-token]#2": 2,
        b"k": 3,
        "(1, '[REDACTED:github-token]')": 4,
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("password=hunter2", "password={}"),
        ("password: hunter2", "password: {}"),
        ("db_password = hunter2 # local", "db_password = {} # local"),
        ("export DB_PASSWORD='hunter2 three'", "export DB_PASSWORD='{}'"),
        ('{"user": "u", "password": "hun\\"ter2", "n": 3}', '{{"user": "u", "password": "{}", "n": 3}}'),
        ('"{\\"password\\": \\"hunter2\\"}"', '"{{\\"password\\": \\"{}\\"}}"'),
        ("{'password': 'hunter2'}", "{{'password': '{}'}}"),
        ('config["password"] = "hunter2"', 'config["password"] = "{}"'),
        ("train.py --password hunter2 --lr 1", "train.py --password {} --lr 1"),
        ("train.py --db-password=hunter2 --lr 1", "train.py --db-password={} --lr 1"),
        ("host=s;Password=hun,ter2;user=u", "host=s;Password={};user=u"),
        ("https://h/p?user=u&password=hunter2&n=3#f", "https://h/p?user=u&password={}&n=3#f"),
        ("connect(password=hunter2, user=u)", "connect(password={}, user=u)"),
        ("Login(user='u', password=SecretStr('hunter2'))", "Login(user='u', password=SecretStr('{}'))"),
        ('password = """hunter2\nthree"""', 'password = """{}"""'),
    ],
)
def test_the_value_of_a_secret_key_in_text(text: str, expected: str) -> None:
    redacted = Redactor().redact_text(text)
    assert redacted.replace("dsn-password", "key-password") == expected.format("[REDACTED:key-password]")
    assert Redactor().redact_text(redacted) == redacted


@pytest.mark.parametrize(
    "text",
    [
        "num_tokens=512 tokens/s=18231 step=3",
        "author: Ann",
        "def connect(password: str, user=None)",
        'password = os.environ["DB_PASSWORD"]',
        "password=${DB_PASSWORD}",
        '{"password": null, "secret": 12, "api_key": ["a"]}',
        "token=mean key=value sort_key=name",
        "secrets: 3",
        "the password is wrong",
        "--password",
        "https://h/p?page_token=2&sort_key=name1234&key=abc",
        "monkey=1 keyboard: qwerty",
    ],
)
def test_text_without_a_secret(text: str) -> None:
    assert Redactor().redact_text(text) == text


@pytest.mark.parametrize("parameter", ["token", "sig", "X-Amz-Signature", "key", "access_token"])
def test_credentials_in_the_query_of_a_url(parameter: str) -> None:
    redacted = Redactor().redact_text(f"https://h/p?a=1&{parameter}={OPAQUE}%2F&b=2")
    assert OPAQUE not in redacted
    assert redacted.endswith("&b=2")


def test_a_registered_value_is_masked_everywhere_from_then_on() -> None:
    redactor, secret = Redactor(), 'swörd"fish'
    assert secret in redactor.redact("note", f"it is {secret}")
    redactor.register(secret)
    redactor.register("short")
    assert redactor.redact("note", f"it is {secret}") == "it is [REDACTED:known-secret]"
    assert redactor.redact("note", secret) == "[REDACTED:known-secret]"
    assert redactor.redact("n", json.dumps([secret])) == '["[REDACTED:known-secret]"]'
    assert redactor.redact("n", "short") == "short"


def test_registering_what_markers_are_made_of_changes_no_marker() -> None:
    redactor = Redactor()
    for secret in ("password", "REDACTED", "[REDACTED:key-password]", "ssword]x"):
        redactor.register(secret)
    assert redactor.redact_text("[REDACTED:key-password]") == "[REDACTED:key-password]"
    assert redactor.redact_text("[REDACTED:key-password]x") == "[REDACTED:key-password]x"
    assert redactor.redact_text("[REDACTED:hunter2]") == "[[REDACTED:known-secret]:hunter2]"  # no marker of ours


def test_sealing_renders_what_is_left() -> None:
    redactor = Redactor()
    assert redactor.seal("lbfgs", channel="param", key="solver") == "lbfgs"
    assert redactor.seal(7, channel="param") == "7"
    assert redactor.seal(None, channel="param") == "None"
    assert redactor.seal("text", channel="param", render=lambda value: "not asked") == "text"
    assert redactor.seal(7, channel="param", render=lambda value: f"<{value}>") == "<7>"
    sealed = redactor.seal({"a": {"password": "x", "n": 7}, "s": {2, 1}}, channel="param")
    assert json.loads(sealed) == {"a": {"password": "[REDACTED:key-password]", "n": 7}, "s": ["1", "2"]}
    assert GITHUB not in redactor.seal([1], channel="param", render=lambda value: GITHUB)


class Broken:
    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_a_piece_is_sealed_as_a_part_of_the_whole() -> None:
    one, report = Redactor(), Report()
    before = f"it is {GITHUB}\npassword: |\n  first\n"
    sealed = one.seal_next("  second w0rd\nlr: 0.1\n", before=before, channel="console", report=report)
    assert sealed == "[REDACTED:key-password]\nlr: 0.1\n"
    assert list(report.counts().values()) == [1], "what stands before was counted before"
    sealed = one.seal_next('  "a": "third-w0rd"\n', before='{"password": {\n', after="  }\n}", channel="console")
    assert sealed == '  "a": "[REDACTED:key-password]"\n'
    assert one.seal_next("nothing\n", before=before + "end: x\n", channel="console") == "nothing\n"

    def decide(match: object) -> None:
        raise RuntimeError("the callback is broken")

    for policy in (Policy(decide=decide), Policy(max_text=20)):
        assert Redactor(policy).seal_next(GITHUB, before="", channel="console") == UNSCANNED


def test_sealing_fails_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    redactor, report = Redactor(), Report()

    def render(value: Any) -> str:
        raise ZeroDivisionError

    assert redactor.seal(Broken(), channel="param", report=report) == UNSCANNED
    assert redactor.seal([1], channel="param", report=report, render=render) == UNSCANNED
    assert redactor.seal(10**5000, channel="param", report=report) == UNSCANNED  # more digits than Python prints
    assert report.drain() == {("param", "unscanned", "withhold", "high"): 3}

    def broken(scanner: Scanner, text: str, channel: str, **more: Any) -> Any:
        raise re.error("a rule is broken")

    monkeypatch.setattr(Scanner, "spans", broken)
    assert redactor.seal("a secret = x", channel="tag", report=report) == UNSCANNED
    assert report.counts() == {("tag", "unscanned", "withhold", "high"): 1}


def test_a_rule_that_raises_withholds(monkeypatch: pytest.MonkeyPatch) -> None:
    def raises(secret: str) -> bool:
        raise LookupError

    for rule in RULES:
        monkeypatch.setitem(rule.__dict__, "valid", raises)
    assert Redactor().seal(GITHUB, channel="param") == UNSCANNED
    assert Redactor().seal({"a": [GITHUB]}, channel="param") == UNSCANNED


def test_an_interrupt_is_not_an_error_of_ours() -> None:
    def interrupted(value: Any) -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Redactor().seal([1], channel="param", render=interrupted)


def test_what_exceeds_a_bound_is_withheld() -> None:
    cycle: list[Any] = ["kept"]
    cycle.append(cycle)
    deep: Any = "bottom"
    for _ in range(40):
        deep = [deep]
    report = Report()
    redact = Redactor(Policy(max_text=100)).redact
    assert redact("c", cycle, report) == ["kept", UNSCANNED]
    assert "bottom" not in str(redact("c", deep, report))
    assert redact("c", {"big": ["x"] * 100_001, "small": "y"}, report) == {"big": UNSCANNED, "small": "y"}
    assert redact("c", "x" * 101, report) == UNSCANNED
    assert report.counts() == {("value", "unscanned", "withhold", "high"): 4}
    wide: list[Any] = []
    wide.extend([[wide, wide, [wide]] for _ in range(1000)])
    assert UNSCANNED in str(redact("c", wide))


def test_the_report_counts_and_says_nothing_of_the_value() -> None:
    redactor, report = Redactor(), Report()
    assert not report
    redactor.seal({"password": "hunter2", "note": GITHUB}, channel="param", report=report)
    redactor.redact_text(f"{GITHUB} {GITHUB}", report)
    assert report
    assert report.counts() == {
        ("param", "key-password", "mask", "high"): 1,
        ("param", "github-token", "mask", "high"): 1,
        ("text", "github-token", "mask", "high"): 2,
    }
    assert report.drain() == {
        ("param", "key-password", "mask", "high"): 1,
        ("param", "github-token", "mask", "high"): 1,
        ("text", "github-token", "mask", "high"): 2,
    }
    assert not report


def test_the_report_loses_no_count_to_threads() -> None:
    report, drained = Report(), 0

    def add() -> None:
        for _ in range(5_000):
            report.add("param", "rule", "mask", "high")

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        drained += sum(report.drain().values())
    assert drained + sum(report.drain().values()) == 20_000


def test_the_cache_of_keys_is_bounded() -> None:
    redactor = Redactor()
    for n in range(10_000):
        redactor.redact(f"key_{n}_name", "x")
    assert len(redactor._verdicts) <= 4096


@given(keys, plain)
def test_nothing_is_raised_nothing_is_mutated_twice_is_once(key: str, value: Any) -> None:
    redactor, before = Redactor(), copy.deepcopy(value)
    once = redactor.redact(key, value)
    assert value == before
    assert redactor.redact(key, once) == once
    redactor.seal(value, channel="c", key=key)


@settings(max_examples=1000)
@given(fragments)
@example(f"password=x{GITHUB}, y")
@example("password=[REDACTED:jwt]tail")
def test_redacting_text_again_changes_nothing(text: str) -> None:
    once = Redactor().redact_text(text)
    assert Redactor().redact_text(once) == once


@settings(max_examples=500)
@given(fragments)
def test_redacted_data_rendered_as_json_stays_json(text: str) -> None:
    sealed = Redactor().seal({"a": text, "password": text, "list": [text, text]}, channel="c")
    assert set(json.loads(sealed)) == {"a", "password", "list"}


@given(
    st.sampled_from(SECRETS), plain, st.sampled_from(["note", "password", "num_tokens", "tags"]), st.text(max_size=3)
)
def test_a_planted_secret_survives_nowhere(secret: str, other: Any, key: str, space: str) -> None:
    body = re.sub(r"^(https|Authorization: Bearer|bearer|Basic|basic|id)\b", "", secret)
    redactor = Redactor()
    planted = {"other": other, key: [{"deep": (f"{space} {secret} {space}",)}], "bytes": secret.encode(), secret: 1}
    for output in (redactor.redact(key, planted), redactor.redact(key, [secret]), redactor.seal(planted, channel="c")):
        assert secret not in str(output)
        assert body not in str(output)


@settings(max_examples=500)
@given(fragments, st.sampled_from(SECRETS), fragments)
@example("-----BEGIN " + "PRIVATE KEY-----\nMIIE\n-----END " + "PRIVATE KEY-----", SECRETS[0], " ")
def test_a_planted_secret_survives_in_no_text(before: str, secret: str, after: str) -> None:
    assume(secret not in before and secret not in after)  # there it may be glued to a word and then is part of it
    for space in ("", " ") if before.endswith("-----") else (" ",):
        assert secret not in Redactor().redact_text(f"{before}{space}{secret} {after}")


@given(
    st.sampled_from(["password", "api_key", "hub_token", "clientSecret", "AWS_SECRET_ACCESS_KEY"]),
    plain,
    st.integers(0, 3),
)
def test_an_opaque_value_of_a_secret_key_survives_nowhere(key: str, other: Any, depth: int) -> None:
    value: Any = {key: OPAQUE, "other": other}
    for _ in range(depth):
        value = [value, {"in": value}]
    assert OPAQUE not in str(Redactor().redact("config", value))
    for line in (
        f"{key}={OPAQUE}",
        f"{key}: {OPAQUE}",
        f"--{key} {OPAQUE}",
        json.dumps({key: OPAQUE}),
        repr({key: OPAQUE}),
    ):
        assert OPAQUE not in Redactor().redact_text(f"run 3 with {line} and more")


def test_lower_case_moves_no_character() -> None:
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    text = f"{everything} password=x"
    assert Redactor().redact_text(text) == f"{everything} password=[REDACTED:key-password]"


@given(fragments.filter(lambda text: len(text) < SHORTEST))
def test_the_fast_path_is_the_slow_path(text: str) -> None:
    redactor = Redactor()
    assert redactor.redact("note", text) == redactor.redact_text(text)
