"""The policy of redaction in settings: what it does, whose word counts, and what is told of a wrong one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import reticent
from reticent import sessions, settings
from reticent.errors import SettingsError
from reticent.redaction import Policies, stricter
from reticent_redact import Match, Policy, Redactor, UserRule

KEY = "k3y-" * 8


def load(directory: Path, content: str = "", configured: Any = None, **environment: str) -> settings.Source:
    (directory / "reticent.toml").write_text(content)
    return settings.load(directory, environment, {} if configured is None else {"redact": configured})


def policies(directory: Path, content: str = "", configured: Any = None, **environment: str) -> Policies:
    return load(directory, content, configured, **environment).settings.policies


def key_file(directory: Path, content: str = KEY + "\n", mode: int = 0o600) -> Path:
    path = directory / "hash.key"
    path.write_text(content)
    path.chmod(mode)
    return path


def test_a_file_says_all_that_a_policy_has(tmp_path: Path) -> None:
    key_file(tmp_path)
    base = policies(
        tmp_path,
        """
        [redact]
        keep = ["num_*", "*:email"]
        deny = ["customer*"]
        only = ["lr", "customer"]
        hash_key_file = "hash.key"
        actions = { github-token = "hash" }
        [[redact.rules]]
        id = "staff-number"
        pattern = 'STAFF-(?P<secret>\\d{6})'
        action = "drop"
        only_in = ["param"]
        hits = ["STAFF-123456"]
        misses = ["STAFF-12"]
        """,
    ).base
    assert base.keep == ("num_*", "*:email")
    assert base.deny == ("customer*",)
    assert base.only == ("lr", "customer")
    assert base.actions == {"github-token": "hash"}
    assert base.hash_key == KEY.encode()
    assert [rule.id for rule in base.rules] == ["staff-number"]
    redactor = Redactor(base)
    assert redactor.seal("STAFF-123456", channel="param", key="lr") == "STAFF-"
    assert redactor.seal("acme", channel="param", key="customer") == "[REDACTED:key-denied]"


def test_the_policy_is_the_one_that_runs_are_sealed_by(root: Path) -> None:
    reticent.configure(redact={"deny": ["customer"], "rules": [{"id": "staff-number", "pattern": r"STAFF-\d{6}"}]})
    run = reticent.start_run("r", run_id="r")
    run.log_params({"customer": "acme", "note": "by STAFF-123456"})
    run.end()
    assert reticent.get_run("r").params == {"customer": "[REDACTED:key-denied]", "note": "by [REDACTED:staff-number]"}


def test_a_callback_and_a_policy_in_code(root: Path) -> None:
    asked: list[Match] = []

    def decide(match: Match) -> str | None:
        asked.append(match)
        return "drop" if match.path == "db_password" else None

    for given in ({"decide": decide}, Policy(decide=decide)):  # type: ignore[arg-type] # a str that is an action
        reticent.configure(redact=given)
        redactor = sessions.current().redactor
        assert redactor.seal("hunter2", channel="param", key="password") == "[REDACTED:key-password]"
        assert redactor.seal("hunter2", channel="param", key="db_password") == "[REDACTED:left-out]"
    assert [match.path for match in asked] == ["password", "db_password"] * 2
    with pytest.raises(SettingsError, match="configure: setting 'redact': decide must be a function"):
        reticent.configure(redact={"decide": 3})


def test_code_wins_over_the_file_but_a_backend_s_own_policy_stays(tmp_path: Path) -> None:
    content = """
        [redact]
        deny = ["from_file"]
        [redact.backends.mlflow]
        deny = ["not_for_mlflow"]
        """
    for configured in ({"deny": ["from_code"]}, Policy(deny=("from_code",))):
        found = policies(tmp_path, content, configured)
        assert found.base.deny == ("from_code",)
        assert found.of("mlflow").deny == ("from_code", "not_for_mlflow")
        assert found.of("sqlite") is found.base
    own = {"backends": {"mlflow": Policy(deny=("other",))}}
    assert policies(tmp_path, content, own).of("mlflow").deny == ("from_file", "other")


def test_what_a_later_place_leaves_out_stays(tmp_path: Path) -> None:
    content = '[redact]\nkeep = ["a"]\ndeny = ["b"]\nhash_key_file = "hash.key"\n'
    key_file(tmp_path)
    found = policies(tmp_path, content, {"deny": ["c"]}, RETICENT_REDACT='{"only": ["d"]}')
    assert found.base == Policy(keep=("a",), deny=("c",), only=("d",), hash_key=KEY.encode())
    shown = load(tmp_path, content, {"deny": ["c"]}).settings.redact
    assert (shown.keep, shown.deny, shown.hash_key_file) == (("a",), ("c",), "hash.key")
    assert policies(tmp_path, content, Policy()).base == Policy()


def test_what_is_stricter() -> None:
    base = Policy(
        keep=("a", "b"),
        deny=("c",),
        only=("lr*", "momentum", "x_*"),
        actions={"email": "keep", "jwt": "hash"},
        rules=(UserRule("mine", "abc", action="keep"),),
        decide=lambda match: "keep" if match.channel == "tag" else "drop",
    )
    own = Policy(keep=("b",), deny=("d",), only=("lr", "*_y", "x_1"), actions={"jwt": "mask"})
    both = stricter(base, own)
    assert both.keep == ("b",)
    assert both.deny == ("c", "d")
    assert both.only == ("lr", "x_1")
    assert both.actions == {"jwt": "mask"}
    assert [rule.action for rule in both.rules] == [None]
    assert both.decide is not None
    assert both.decide(Match("jwt", "high", "tag", "", "x")) is None
    assert both.decide(Match("jwt", "high", "param", "", "x")) == "drop"
    assert stricter(Policy(only=("a",)), Policy()).only == ("a",)
    assert stricter(Policy(), Policy(only=("a",))).only == ("a",)


def test_the_key_for_hashes(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from_file = '[redact]\nhash_key_file = "hash.key"\n'
    key_file(tmp_path)
    assert policies(tmp_path, from_file).base.hash_key == KEY.encode()
    assert policies(tmp_path, from_file, RETICENT_HASH_KEY="e" * 32).base.hash_key == b"e" * 32
    assert policies(tmp_path, "", Policy(), RETICENT_HASH_KEY="e" * 32).base.hash_key == b"e" * 32
    key_file(tmp_path, "short")
    with pytest.raises(SettingsError, match=r"reticent.toml, line 2: .*hash\.key: a key .* 16 to 64 bytes"):
        load(tmp_path, from_file)
    with pytest.raises(SettingsError, match=r"RETICENT_HASH_KEY: a key .* 16 to 64 bytes") as error:
        load(tmp_path, RETICENT_HASH_KEY="hunter2")
    assert "hunter2" not in str(error.value)
    key_file(tmp_path).unlink()
    with pytest.raises(SettingsError, match=r"line 2: .*hash\.key cannot be read: No such file"):
        load(tmp_path, from_file)
    # Whoever has it can try guesses against hashes.
    monkeypatch.setenv("RETICENT_HASH_KEY", KEY)
    settings.reset()
    assert sessions.current().redactor.seal(f"with {KEY}", channel="tag") == "with [REDACTED:known-secret]"


@pytest.mark.skipif(os.name != "posix", reason="modes of files")
def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    key_file(tmp_path, mode=0o640)
    with pytest.raises(SettingsError, match=r"line 2: .*others can read or write .*hash\.key; `chmod 600`"):
        load(tmp_path, '[redact]\nhash_key_file = "hash.key"\n')


RULE = '[[redact.rules]]\nid = "good"\npattern = "a"\n'


@pytest.mark.parametrize(
    ("content", "line", "parts"),
    [
        (RULE + '[[redact.rules]]\nid = "bad"\npattern = "(?=a)"', 4, ["rule 'bad'", "RE2", "look-around"]),
        (RULE + RULE, 4, ["rule 'good'", "another rule has this id", "another id"]),
        (RULE + 'hits = ["b"]', 1, ["rule 'good'", "example 1 of hits", "change the pattern"]),
        (RULE + '[[redact.rules]]\nid = "b"\npattern = 3', 6, ["rule 'b'", "Expected `str`, got `int`"]),
        (RULE + '[[redact.rules]]\nid = "b"\npattern = "b"\nactoin = ""', 7, ["rule 'b'", "`actoin`", "only_in"]),
        ('[redact]\nrules = [\n{id = "a", pattern = "a"},\n{id = "b", pattern = "("}]', 4, ["rule 'b'", "RE2"]),
        ('[redact.actions]\njwt = "mask"\ngithub-token = "hide"', 3, ["'github-token'", "mask, hash, drop, keep"]),
        ("[redact]\nkeep = []\ndeny = 3", 3, ["Expected `array`, got `int`", "deny"]),
        ("[redact]\nkeep = []\nkeap = []", 3, ["unknown field `keap`", "keep, deny, only"]),
        ("exit_timeout_s = 1\nredact = 3", 2, ["Expected `object`, got `int`"]),
        ("[redact]\nbackends = 3", 2, ["Expected `object`, got `int`"]),
        ("[redact]\ndeny = []\n[redact.backends.mlflow]\nkeap = []", 4, ["unknown field `keap`", "mlflow"]),
        (RULE + RULE.replace("redact.rules", "redact.backends.m.rules").replace('"a"', '"("'), 4, ["rule 'good'"]),
        ("[redact]\ndeny = = 3", 2, ["not valid TOML"]),
    ],
)
def test_a_wrong_policy_is_told_with_its_line(content: str, line: int, parts: list[str], tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as error:
        load(tmp_path, content)
    for part in (str(tmp_path / "reticent.toml"), f"line {line}", *parts):
        assert part in str(error.value)


def test_the_line_in_a_project_file(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "p"\n[tool.reticent.redact]\ndeny = 3\n')
    with pytest.raises(SettingsError, match=r"pyproject.toml \[tool.reticent\], line 4: "):
        settings.load(tmp_path, {}, {})


def test_a_wrong_policy_in_code_or_in_the_environment_is_told(tmp_path: Path) -> None:
    rule = {"id": "bad", "pattern": "("}
    with pytest.raises(SettingsError, match="configure: setting 'redact': rule 'bad': RE2"):
        load(tmp_path, configured={"rules": [rule]})
    with pytest.raises(SettingsError, match="configure: setting 'redact': rule 'bad': RE2"):
        load(tmp_path, configured=Policy(rules=(UserRule(**rule),)))
    with pytest.raises(SettingsError, match=r"RETICENT_REDACT: setting 'redact': .*`deny`"):
        load(tmp_path, RETICENT_REDACT='{"deny": 3}')
    with pytest.raises(SettingsError, match="unknown field `decide`"):
        load(tmp_path, "[redact]\ndecide = 3")


def test_a_secret_that_comes_into_the_environment_between_two_runs_is_hidden_in_the_second(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "Kz9-only-here-1!"
    reticent.start_run("first").end()
    monkeypatch.setenv("STAGE_PASSWORD", secret)
    with reticent.start_run("second", run_id="second", tags={"note": f"with {secret}"}) as run:
        run.log_param("note", f"with {secret}")
    stored = reticent.get_run("second")
    assert stored.params["note"].startswith("with [")
    written = b"".join(file.read_bytes() for file in root.rglob("*") if file.is_file())
    assert secret.encode() not in written
