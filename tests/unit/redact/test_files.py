"""Files: text without its secrets wherever they stand, anything else unchanged or not written."""

from __future__ import annotations

import hashlib
import stat
import urllib.parse
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reticent_redact import Match, Policy, Redactor, Report, SealedFile, Withheld, binary, files
from reticent_redact.rules import RULES

GITHUB = "ghp_" + "a1B2" * 9
PEM = "-----BEGIN " + "RSA PRIVATE KEY-----\n" + ("MIIEow" * 10 + "\n") * 60 + "-----END " + "RSA PRIVATE KEY-----"
SECRETS = [
    *(rule.hits[0] for rule in RULES[::25] if not rule.only_in),
    *(rule.hits[0] for rule in RULES if rule.id in ("jwt", "url-password", "kubernetes-secret", "bearer-token")),
    PEM,
    "password='" + "s3cr3t and " * 500 + "'",
    "api_key=" + "k3y" * 3000,
    "api_key=" + "k3y" * 40_000,  # longer than what is kept in sight
]


def seal(
    directory: Path, content: bytes, redactor: Redactor | None = None, **more: Any
) -> tuple[SealedFile | Withheld, bytes | None]:
    source, target = directory / "source", directory / "sealed" / "target"
    source.write_bytes(content)
    target.unlink(missing_ok=True)
    result = (redactor or Redactor()).seal_file(source, target, **{"name": "notes.txt", **more})
    assert source.read_bytes() == content
    assert [path.name for path in target.parent.iterdir()] == (["target"] if isinstance(result, SealedFile) else [])
    if isinstance(result, Withheld):
        return result, None
    written = target.read_bytes()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert (result.size, result.sha256) == (len(written), hashlib.sha256(written).hexdigest())
    return result, written


@pytest.mark.parametrize("content", [b"", b"plain\r\ntext\n", "ünïcödé ✓\n".encode() * 1000, b"\xef\xbb\xbfbom"])
def test_clean_text_is_copied_as_it_is(tmp_path: Path, content: bytes) -> None:
    result, written = seal(tmp_path, content)
    assert written == content
    assert isinstance(result, SealedFile)
    assert (result.text, result.redactions) == (True, 0)


def test_text_is_redacted_and_counted(tmp_path: Path) -> None:
    report = Report()
    result, written = seal(tmp_path, f"a {GITHUB}\r\npassword: x\n{GITHUB}".encode(), report=report)
    assert written == b"a [REDACTED:github-token]\r\npassword: [REDACTED:key-password]\n[REDACTED:github-token]"
    assert isinstance(result, SealedFile)
    assert (result.text, result.redactions) == (True, 3)
    assert report.counts() == {
        ("artifact", "github-token", "mask", "high"): 2,
        ("artifact", "key-password", "mask", "high"): 1,
    }


@pytest.mark.parametrize(
    "content", [bytes(range(256)) * 400, b"\x93NUMPY\x00" + b"\0" * 9000, b"\0cut off \xc3", b"\xff\xfe\0"]
)
def test_a_clean_binary_file_is_copied_as_it_is(tmp_path: Path, content: bytes) -> None:
    result, written = seal(tmp_path, content)
    assert written == content
    assert isinstance(result, SealedFile)
    assert not result.text


@pytest.mark.parametrize("before", [b"\xff", b"text " * 30_000 + b"\xff", b"\0" * (1024 * 1024 - 20)])
def test_a_binary_file_with_a_secret_is_withheld(tmp_path: Path, before: bytes) -> None:
    report = Report()
    result, _ = seal(tmp_path, before + b" " + GITHUB.encode() + b"\0 rest", report=report)
    assert result == Withheld("github-token")
    assert report.counts() == {("artifact", "github-token", "withhold", "high"): 1}


def test_text_that_turns_out_to_be_binary_is_withheld_if_a_secret_was_in_it(tmp_path: Path) -> None:
    content = GITHUB.encode() + b"\n" + b"x" * (3 * 1024 * 1024) + b"\0"
    assert seal(tmp_path, content)[0] == Withheld("github-token")


def test_registered_values_are_found_in_any_file(tmp_path: Path) -> None:
    redactor = Redactor()
    redactor.register("swördfish")
    assert seal(tmp_path, "it is swördfish\n".encode(), redactor)[1] == b"it is [REDACTED:known-secret]\n"
    assert seal(tmp_path, b"\0 " + "it is swördfish\n".encode(), redactor)[0] == Withheld("known-secret")


def test_files_that_are_credentials_by_their_name(tmp_path: Path) -> None:
    (tmp_path / "sealed").mkdir(exist_ok=True)
    assert seal(tmp_path, b"machine h login u", name="home/.netrc")[0] == Withheld("secret-file")
    assert seal(tmp_path, b"x", Redactor(Policy(keep=("*.netrc",))), name="home/.netrc")[1] == b"x"
    assert seal(tmp_path, b"x", Redactor(Policy(deny=("*.env",))), name="prod.env")[0] == Withheld("secret-file")


@pytest.mark.parametrize("secret", SECRETS, ids=lambda secret: f"{len(secret)}-{secret[:4]}")
@pytest.mark.parametrize("filler", ["word ", "é line\n"])
def test_a_secret_at_any_border_of_the_pieces_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secret: str, filler: str
) -> None:
    monkeypatch.setattr(files, "CHUNK", 100_000)
    for border in (100_000 - files.REACH, 100_000):
        for inside in (1, len(secret) // 2, len(secret) - 1):
            start = max(0, border // len(filler.encode()) - inside)
            text = (filler * border)[:start] + f" {secret} \n" + filler * 20_000
            result, written = seal(tmp_path, text.encode())
            assert isinstance(result, SealedFile)
            assert result.redactions >= 1
            assert written == Redactor().redact_text(text).encode()


KNOWN = 'Wq7"kZ/x+9\u00e9 mV4=Tb8 gJ2'


@pytest.mark.parametrize(
    "secret",
    [GITHUB, "api_key: k3y-by-its-name", KNOWN, urllib.parse.quote(KNOWN)],
    ids=["shaped", "keyed", "known", "URL"],
)
@pytest.mark.parametrize("border", [files.REACH + 9_000, 9_000], ids=["read", "passed on"])
@pytest.mark.parametrize("kind", ["lines", "one line", "binary"])
def test_a_secret_across_a_border_by_every_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secret: str, border: int, kind: str
) -> None:
    monkeypatch.setattr(files, "CHUNK", files.REACH + 9_000)
    monkeypatch.setattr(binary, "CHUNK", files.REACH + 9_000)
    redactor = Redactor()
    redactor.register(KNOWN)
    inside = secret.partition(": ")[2] or secret
    word = b"a\n" if kind == "lines" else b"a "
    before = b"\0" if kind == "binary" else b""
    if kind == "binary" and secret.startswith("api_key"):
        return  # no key is looked for where there is no text
    for offset in range(-2, len(secret.encode()) + 3):
        filler = (before + word * border)[: border - offset - 1] + b" "
        content = filler + secret.encode() + b"\n" + word * (files.REACH // 2 + 100)
        result, written = seal(tmp_path, content, redactor)
        if kind == "binary":
            assert isinstance(result, Withheld), offset
        else:
            assert written is not None
            assert written == redactor.redact_text(content.decode()).encode(), offset
            assert inside.encode() not in written, offset


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from([*SECRETS, "", "password=", "é", "[REDACTED:jwt]", '"', "x" * 40_000, "word " * 9_000]),
        max_size=12,
    ),
    st.sampled_from([20_000, 100_000]),
)
def test_no_secret_survives_in_a_file_read_in_pieces(tmp_path: Path, parts: list[str], chunk: int) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(files, "CHUNK", chunk)
        _, written = seal(tmp_path, "\n".join(parts).encode())
        assert written is not None
        assert [part[:20] for part in parts if part in SECRETS and part.encode() in written] == []


@given(st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes(tmp_path: Path, content: bytes) -> None:
    result, written = seal(tmp_path, content)
    assert written == content or result == Withheld("unscanned")  # it may begin like something packed


def test_a_secret_without_end_withholds_the_file(tmp_path: Path) -> None:
    report = Report()
    result, _ = seal(tmp_path, b"password=" + b"x" * (files.HELD + 3 * files.CHUNK), report=report)
    assert result == Withheld("unscanned")
    assert report.counts() == {("artifact", "unscanned", "withhold", "high"): 1}


def test_a_broken_rule_withholds_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def raises(secret: str) -> bool:
        raise LookupError

    for rule in RULES:
        monkeypatch.setitem(rule.__dict__, "valid", raises)
    assert seal(tmp_path, GITHUB.encode())[0] == Withheld("unscanned")


@pytest.mark.parametrize("answer", ["nonsense", 7, ZeroDivisionError()])
@pytest.mark.parametrize("content", [b"a " + GITHUB.encode(), b"\0 " + GITHUB.encode()], ids=["text", "binary"])
def test_a_callback_that_fails_withholds_the_file(tmp_path: Path, content: bytes, answer: Any) -> None:
    def decide(match: Match) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    report = Report()
    assert seal(tmp_path, content, Redactor(Policy(decide=decide)), report=report)[0] == Withheld("unscanned")
    assert [hidden[:3] for hidden in report.counts()] == [("artifact", "unscanned", "withhold")]


def test_errors_of_the_file_system_are_the_callers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileNotFoundError):
        Redactor().seal_file(tmp_path / "none", tmp_path / "target", name="none")
    (tmp_path / "source").write_bytes(b"x")

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        Redactor().seal_file(tmp_path / "source", tmp_path / "target", name="source")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_a_file_system_without_block_sharing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*arguments: int) -> int:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(files.os, "copy_file_range", refuses, raising=False)
    assert seal(tmp_path, b"\xff" * 3_000_000)[1] == b"\xff" * 3_000_000


def test_an_existing_target_is_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"old")
    (tmp_path / "source").write_bytes(b"new")
    Redactor().seal_file(tmp_path / "source", target, name="source")
    assert target.read_bytes() == b"new"
