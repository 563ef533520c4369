"""Values known to be secret: found however they are written, and nothing else is."""

from __future__ import annotations

import base64
import html
import json
import random
import urllib.parse
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reticent_redact import Policy, Redactor
from reticent_redact import redactor as redactor_module
from reticent_redact.known import LONGEST, MOST, ROOM, Known, of_netrc

SECRET = 'correct/horse+battery "staple" ü&'
MARKER = "[REDACTED:known-secret]"


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        json.dumps({"a": json.dumps({"b": SECRET})}),
        json.dumps(json.dumps(SECRET, ensure_ascii=False), ensure_ascii=False),
        repr([SECRET]),
        html.escape(SECRET),
        html.escape(SECRET, quote=False),
        html.escape(SECRET).replace("&quot;", "&#34;"),
        urllib.parse.quote(SECRET),
        urllib.parse.quote(SECRET, safe=""),
        urllib.parse.quote_plus(SECRET).lower(),
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
        base64.b64encode(f"user:{SECRET}".encode()).decode(),
        base64.b64encode(f"root:{SECRET}\n".encode()).decode(),
        base64.b64encode(f"u:{SECRET}!!".encode()).decode(),
        *(base64.b64encode(f"{'u' * size}:{SECRET}".encode()).decode() for size in range(1, 4)),
        *(base64.encodebytes(b"." * size + SECRET.encode() + b"." * 90).decode() for size in range(20, 50)),
        base64.encodebytes(b"." * 40 + SECRET.encode()).decode().replace("\n", "\r\n"),
        base64.b64encode(base64.b64encode(SECRET.encode())).decode(),
        base64.b64encode(b"ab" + base64.b64encode(SECRET.encode() + b"\n")).decode(),
        SECRET.encode().hex(),
        f"user:{SECRET}".encode().hex().upper(),
        SECRET.encode().hex()[:60] + "\n" + SECRET.encode().hex()[60:],
        json.dumps(json.dumps(json.dumps(SECRET))),
        urllib.parse.quote(urllib.parse.quote(SECRET)),
        urllib.parse.quote_plus(urllib.parse.quote_plus(SECRET)),
    ],
)
def test_a_registered_value_is_found_however_it_is_written(written: str) -> None:
    redactor = Redactor()
    redactor.register(SECRET)
    assert MARKER in redactor.redact_text(f"a {written} b")
    assert MARKER in redactor.redact_text("word " * 10_000 + written + " word" * 10_000)


def test_a_value_in_lines_goes_as_a_whole() -> None:
    redactor = Redactor()
    redactor.register(SECRET * 5)
    lines = base64.encodebytes(f"user:{SECRET * 5}".encode()).decode()
    assert lines.count("\n") > 2
    for before in ("", "word " * 20_000):
        assert redactor.redact_text(f"{before}a\n\n{lines}\nb") == f"{before}a\n\n{MARKER}==\n\nb"


def test_a_short_form_at_the_end_is_not_taken_for_a_longer_one_in_lines() -> None:
    redactor = Redactor()
    redactor.register("secret-value")
    redactor.register("secret-value and more")
    assert redactor.redact_text("a\nsecret-value\n") == f"a\n{MARKER}\n"
    assert redactor.redact_text("word\n" * 4000 + "secret-value\n") == "word\n" * 4000 + f"{MARKER}\n"


def test_digits_are_not_looked_for_as_hex() -> None:
    redactor = Redactor()
    redactor.register("hunter2-and-3")
    text = "1732541526000000000 68756e74 0x6e746572322d\n" * 2000
    assert redactor.redact_text(text) == text


def test_short_values_are_not_known_and_words_only_as_words() -> None:
    redactor = Redactor()
    redactor.register("short")
    redactor.register("training")
    assert redactor.redact_text("a short note, training_score and trainings") == (
        "a short note, [REDACTED:known-secret]_score and trainings"
    )


def test_the_value_of_a_secret_key_is_known_from_then_on() -> None:
    redactor = Redactor()
    assert redactor.redact("note", "hunter2-and-3") == "hunter2-and-3"
    redactor.redact("config", {"db": {"password": "hunter2-and-3"}})
    assert redactor.redact("note", "hunter2-and-3") == MARKER
    assert redactor.redact("note", "it is hunter2-and-3!") == f"it is {MARKER}!"


def test_a_value_is_hidden_in_what_stands_before_its_key() -> None:
    redactor = Redactor()
    sealed = redactor.seal({"note": "use hunter2-and-3", "password": "hunter2-and-3"}, channel="param")
    assert "hunter2-and-3" not in sealed
    assert "hunter2-and-4" not in Redactor().redact_text("hunter2-and-4 is it\npassword=hunter2-and-4\n")


def test_passwords_in_the_urls_of_the_process() -> None:
    redactor = Redactor()
    redactor.know_process(
        {
            "HTTPS_PROXY": "http://pu:pr0xy%2FPassWd9@proxy:3128",
            "MLFLOW_TRACKING_URI": "https://me:S3cr3t@Pw0f@host",
            "HOME": "/home/a:bcdefghi@j",
            "SITE": "https://host:5000/me@work",
        }
    )
    said = ["pr0xy/PassWd9", "pr0xy%2FPassWd9", "S3cr3t@Pw0f", "bcdefghi", "5000/me"]
    assert redactor.redact("note", said) == [MARKER, MARKER, MARKER, "bcdefghi", "5000/me"]


def test_a_value_that_the_policy_keeps_is_not_known() -> None:
    redactor = Redactor(Policy(keep=("licence_key",)))
    redactor.redact("licence_key", "abcd-1234-efgh")
    assert redactor.redact("note", "abcd-1234-efgh") == "abcd-1234-efgh"


def test_what_is_secret_in_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine h login u password n3trc-passw0rd\n")
    monkeypatch.setenv("NETRC", str(netrc))
    redactor = Redactor()
    redactor.know_process({"MY_TOKEN": "t0ken-of-mine", "HOME": "/home/somebody", "SSL_KEY": "/etc/ssl/key.pem"})
    assert redactor.redact("note", ["t0ken-of-mine", "n3trc-passw0rd", "/home/somebody", "/etc/ssl/key.pem"]) == [
        MARKER,
        MARKER,
        "/home/somebody",
        "/etc/ssl/key.pem",
    ]


def test_what_has_changed_in_the_environment_is_known_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    redactor = Redactor()
    environment = {"MY_TOKEN": "t0ken-of-mine", "HTTPS_PROXY": ""}
    redactor.know_process(environment)
    judged = []
    judge = redactor_module.names.names_secret_variable
    monkeypatch.setattr(
        redactor_module.names, "names_secret_variable", lambda name, value: judged.append(name) or judge(name, value)
    )
    environment |= {"MY_TOKEN": "an0ther-of-mine", "DB_PASSWORD": "n3w-passw0rd"}
    redactor.know_environment(environment)
    redactor.know_environment(environment)
    assert judged == ["MY_TOKEN", "DB_PASSWORD"]
    said = ["t0ken-of-mine", "an0ther-of-mine", "n3w-passw0rd"]
    assert redactor.redact("note", said) == [MARKER] * 3


@pytest.mark.parametrize("content", ["machine", "\xff\xfe", "default"])
def test_an_odd_netrc_is_no_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "netrc").write_bytes(content.encode("latin-1"))
    assert of_netrc(tmp_path / "netrc") == []
    assert of_netrc(tmp_path / "none") == []


def test_values_learned_are_bounded_and_registered_ones_are_not() -> None:
    known = Known()
    for number in range(MOST + 5):
        known.learn(f"value-number-{number:06d}")
    assert f"value-number-{MOST + 1:06d}" not in known
    known.add(["registered by hand"])
    assert list(known.find("so it is registered by hand.")) == [(9, 27)]


@pytest.mark.parametrize("size", [1_025, 5_000, LONGEST])
def test_a_long_value_of_a_secret_key_is_known_too(size: int) -> None:
    value = "".join(f'{number:05d}-"x\n' for number in range(size))[:size]
    raw = value.encode()
    redactor = Redactor()
    assert redactor.redact("password", value) == "[REDACTED:key-password]"
    assert redactor.redact("note", f"a {value} b") == f"a {MARKER} b"
    for written in (json.dumps(value), raw.hex(), base64.b64encode(raw).decode(), base64.encodebytes(raw).decode()):
        for far in ("", "word " * 20_000):
            text = redactor.redact_text(f"{far}see {written.strip()} there")
            assert len(text) < len(far) + 60
            assert MARKER in text
    other = value[: size // 2]
    assert redactor.redact("note", other) == other


def test_the_room_for_long_values_is_bounded() -> None:
    known = Known()
    for number in range(400):
        known.learn(random.Random(number).randbytes(2_000).hex())
    room = sum(len(form) for form in known._forms)
    assert 1 < len(known._values) < 400
    assert room < ROOM + 40 * 4_000
    known.learn("as ever: a short one")
    assert "as ever: a short one" in known


def test_what_begins_like_a_long_value_takes_no_time() -> None:
    redactor = Redactor()
    value = json.dumps({"type": "service_account", "key": random.Random(0).randbytes(32_000).hex()})
    redactor.known.learn(value)
    text = '{"type": ' * 200_000
    compared = 0

    class Counted(dict[str, bool]):
        def __contains__(self, form: object) -> bool:
            nonlocal compared
            compared += len(str(form))
            return super().__contains__(form)

    redactor.known._forms = Counted(redactor.known._forms)
    assert redactor.redact_text(text) == text
    assert compared < len(text)


def test_the_digest_tells_which_values_are_known_under_one_key_only() -> None:
    one, other = Known(), Known()
    assert one.digest(b"k") == ""
    one.add(["first value", "second value"])
    other.add(["second value", "first value"])
    assert one.digest(b"k") == other.digest(b"k") != ""
    assert one.digest(b"k") != one.digest(b"l")
    other.add(["third value"])
    assert one.digest(b"k") != other.digest(b"k")


@settings(max_examples=200)
@given(st.text(min_size=8, max_size=30), st.text(max_size=30), st.text(max_size=30), st.integers(0, 60))
def test_no_known_value_survives(secret: str, before: str, after: str, others: int) -> None:
    redactor = Redactor()
    for number in range(others):
        redactor.register(f"other value {number}")
    redactor.register(secret)
    if secret.isalpha():
        before, after = f"{before} ", f" {after}"
    text = redactor.redact_text(before + secret + after)
    assert secret not in text or secret in MARKER
    assert redactor.redact_text(text) == text


def test_a_long_text_is_looked_through_once_for_all_and_finds_the_same() -> None:
    values = [f"Value{number:03}-of-ours" for number in range(60)] + [
        "trainings",
        "✓é✓é✓é✓é-ü",
        "Value001-of-ours and more",
    ]
    redactor, other = Redactor(), Redactor()
    for value in values:
        redactor.register(value)
        other.register(value)
    words = [*values, "word", "xValue002-of-ours", "trainingsx", "Value003-of-our", "password=hunter2-and-5"]
    text = " ".join(words) + "\n"
    expected = other.redact_text(text)
    assert "ours" not in expected
    assert redactor.redact_text(text * 2000) == expected * 2000  # so long that one automaton is made of all
    redactor.register("word-of-late")
    assert redactor.redact_text("a word-of-late" + " word" * 1_000_000).startswith(f"a {MARKER} word word")


def test_an_ordinary_word_under_a_secret_key_is_not_hidden_elsewhere() -> None:
    redactor = Redactor()
    redactor.know_process({"POSTGRES_PASSWORD": "validation"})
    redactor.redact("config", {"secret": "training", "webhook": "correcthorsebattery"})
    assert redactor.redact("note", "training_loss of validation") == "training_loss of validation"
    assert redactor.redact("note", "a correcthorsebattery staple") == f"a {MARKER} staple"


@pytest.mark.parametrize(
    "value", ["k3y" * 20_000, "ab" * 30_000, "x1" + "y" * 60_000, "a long sentence, again. " * 2_500]
)
def test_a_long_value_that_repeats_itself_is_not_learned(value: str) -> None:
    known = Known()
    known.learn(value)
    assert value not in known
