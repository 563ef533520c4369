"""`reticent redact`: what it finds and where, that it shows no secret, and what it exits with."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import SECRET, Command

GITHUB = "ghp_" + "a1B2" * 9
RULE = '[[redact.rules]]\nid = "staff-number"\npattern = "STAFF-[0-9]{6}"\nonly_in = ["artifact"]\nhits = ["STAFF-123456"]\n'


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with secrets in files of every kind, as the working directory."""
    place = tmp_path / "project"
    (place / "config").mkdir(parents=True)
    (place / "plain.txt").write_text("nothing\n")
    (place / "config" / "app.py").write_text(f"# café\nfirst = 1\n  where = '{GITHUB}'  # and {GITHUB}\n")
    (place / "weights.bin").write_bytes(b"\0\xff" + GITHUB.encode())
    with zipfile.ZipFile(place / "archive.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.txt", GITHUB)
    (place / "id_rsa").write_text("no key in it")
    own = place / ".reticent" / "runs"
    own.mkdir(parents=True)
    (own / "a.events").write_text(GITHUB)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text(GITHUB)
    (place / "link").symlink_to(outside)
    (place / "link.txt").symlink_to(outside / "secret.txt")
    monkeypatch.chdir(place)
    return place


def places(out: str) -> list[list[str]]:
    return [line.split()[:3] for line in out.splitlines()]


def test_scan_says_where_and_never_what(command: Command, project: Path) -> None:
    outcome = command("redact", "scan", ".")
    assert outcome.code == 1
    assert places(outcome.out) == [
        ["archive.zip", "github-token", "high"],
        ["id_rsa", "secret-file", "high"],
        ["weights.bin", "github-token", "high"],
        ["config/app.py:3:12", "github-token", "high"],
        ["config/app.py:3:61", "github-token", "high"],
    ]
    assert "the whole file would be withheld" in outcome.out
    assert GITHUB not in outcome.out + outcome.err


def test_scan_of_one_file_and_of_none_with_secrets(command: Command, project: Path) -> None:
    assert places(command("redact", "scan", "config/app.py").out)[0][0] == "config/app.py:3:12"
    clean = command("redact", "scan", "plain.txt")
    assert clean.code == 0
    assert "nothing to hide in 1 file" in clean.out


def test_scan_of_standard_input(process: Callable[..., Any], root: Path) -> None:
    for content, code in ((f"a\nb {GITHUB}\n", 1), ("nothing", 0)):
        done = subprocess.run(
            [sys.executable, "-m", "reticent.cli", "redact", "scan", "-"],
            input=content,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, "RETICENT_DIR": str(root)},
        )
        assert done.returncode == code
        assert ("-:2:3" in done.stdout) == bool(code)
        assert GITHUB not in done.stdout


def test_scan_says_what_it_cannot_read(command: Command, project: Path) -> None:
    outcome = command("redact", "scan", "nowhere", "plain.txt")
    assert outcome.code == 2
    assert "nowhere: No such file or directory" in outcome.err
    both = command("redact", "scan", "nowhere", "weights.bin")
    assert both.code == 2
    assert places(both.out) == [["weights.bin", "github-token", "high"]]
    os.mkfifo("pipe")
    assert "is no file" in command("redact", "scan", "pipe").err
    assert command("redact", "scan", "--json", "--sarif", ".").code == 2


def test_scan_hides_secrets_in_names(command: Command, project: Path) -> None:
    (project / f"{GITHUB}.txt").write_text("nothing")
    outcome = command("redact", "scan", f"{GITHUB}.txt")
    assert outcome.code == 1
    assert places(outcome.out) == [["[REDACTED:github-token].txt", "github-token", "high"]]


def test_scan_as_json(command: Command, project: Path) -> None:
    found = json.loads(command("redact", "scan", "--json", "config", "weights.bin").out)
    assert found["files"] == 2
    assert found["errors"] == []
    first = {"path": "config/app.py", "rule": "github-token", "action": "mask", "confidence": "high", "line": 3}
    assert found["hits"][0] == {**first, "column": 12}
    assert found["hits"][2]["action"] == "withhold"
    assert found["hits"][2]["line"] is None


def test_scan_as_sarif(command: Command, project: Path) -> None:
    (project / "with space.txt").write_text(GITHUB)
    outcome = command("redact", "scan", "--sarif", ".", "nowhere")
    assert outcome.code == 2
    log = json.loads(outcome.out)
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    assert run["tool"]["driver"]["name"] == "reticent"
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["github-token", "secret-file"]
    assert run["invocations"][0]["executionSuccessful"] is False
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["message"]["text"]
        assert result["level"] in ("error", "warning", "note")
        (location,) = result["locations"]
        region = location["physicalLocation"].get("region", {"startLine": 1, "startColumn": 1})
        assert region["startLine"] >= 1
        assert region["startColumn"] >= 1
    uris = [result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in run["results"]]
    assert "with%20space.txt" in uris
    assert "config/app.py" in uris
    assert GITHUB not in outcome.out
    clean = json.loads(command("redact", "scan", "--sarif", "plain.txt").out)
    assert clean["runs"][0]["results"] == []


def test_scan_by_the_policy_in_a_file(command: Command, project: Path) -> None:
    (project / "note.txt").write_text("STAFF-123456")
    (project / "policy.toml").write_text(f'[redact]\nkeep = ["*:github-token"]\n{RULE}')
    outcome = command("redact", "scan", "--policy", "policy.toml", "note.txt", "config/app.py")
    assert places(outcome.out) == [["note.txt:1:1", "staff-number", "high"]]
    (project / "policy.toml").write_text("[redact]\nkeap = []")
    wrong = command("redact", "scan", "--policy", "policy.toml", ".")
    assert wrong.code == 1
    assert "policy.toml, line 2" in wrong.err
    (project / "policy.toml").write_text("")
    assert "has no table [redact]" in command("redact", "scan", "--policy", "policy.toml", ".").err
    assert "cannot be read" in command("redact", "scan", "--policy", "nowhere.toml", ".").err


def test_scan_of_a_large_file_in_bounded_memory(project: Path, root: Path) -> None:
    with (project / "large.txt").open("w") as file:
        for _ in range(100):
            file.write("a line that has nothing to hide in it\n" * 27_000)
        file.write(GITHUB)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (400 << 20, 400 << 20))

    done = subprocess.run(
        [sys.executable, "-m", "reticent.cli", "redact", "scan", "large.txt"],
        preexec_fn=limit,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "RETICENT_DIR": str(root)},
    )
    assert done.returncode == 1, done.stderr
    assert "large.txt:2700001:1 " in done.stdout


def test_test(command: Command, project: Path) -> None:
    outcome = command("redact", "test", f"use {GITHUB} now")
    assert outcome.code == 0
    assert outcome.out.splitlines()[0] == "use [REDACTED:github-token] now"
    assert ["github-token", "mask", "high", "1"] in [line.split() for line in outcome.out.splitlines()]
    keyed = command("redact", "test", "--key", "db_password", "x")
    assert keyed.out.splitlines()[0] == "[REDACTED:key-password]"
    plain = command("redact", "test", "--key", "solver", "lbfgs")
    assert plain.out.splitlines()[0] == "lbfgs"
    assert "no rule hits" in plain.out
    (project / "policy.toml").write_text('[redact]\nonly = ["lr"]')
    left_out = command("redact", "test", "--policy", "policy.toml", "--key", "solver", "lbfgs")
    assert "leaves it out" in left_out.out


def test_test_says_what_the_text_is_judged_as(command: Command, project: Path) -> None:
    mail = "mail me@" + "mail.company.com"
    for arguments, channel, hidden in (
        ([], "text", False),
        (["--key", "note"], "param", False),
        (["--channel", "artifact"], "artifact", True),
        (["--channel", "console", "--key", "note"], "console", True),
    ):
        outcome = command("redact", "test", *arguments, mail)
        assert outcome.code == 0
        assert f"judged as: {channel}" in outcome.out
        assert (outcome.out.splitlines()[0] == "mail [REDACTED:email]") == hidden
    (project / "notes.txt").write_text(mail)
    assert places(command("redact", "scan", "notes.txt").out) == [["notes.txt:1:6", "email", "high"]]
    assert "judged as artifacts" in command("redact", "scan", "--help").out
    wrong = command("redact", "test", "--channel", "arte" + "fact", mail)
    assert wrong.code == 2
    assert "artifact" in wrong.err


def test_a_scan_finds_nothing_in_what_we_write_ourselves(command: Command, tmp_path: Path) -> None:
    """Ids, digests and tokens of ours are no secrets, to ourselves either."""
    clean = tmp_path / "clean.txt"
    clean.write_text("nothing\n")
    code = """
        import reticent, sys
        with reticent.start_run(run_id="r") as run:
            for number in range(50):
                run.log_artifact(sys.argv[1], str(number))
            for number in range(5):
                run.log_text("a line of a log\\n" * 70_000, f"long-{number}.txt")
            run.log_param("lr", 0.1)
            run.log_metric("loss", 0.5, 1)
        assert reticent.flush(60)
    """
    own = tmp_path / "own"
    environment = {**os.environ, "RETICENT_DIR": str(own), "RETICENT_CAPTURE": '{"argv": false, "git": false}'}
    process = [sys.executable, "-c", textwrap.dedent(code), str(clean)]
    done = subprocess.run(process, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found = command("redact", "scan", str(own))
    assert "nothing to hide" in found.out, found.out
    assert found.code == 0


def test_rules(command: Command, project: Path) -> None:
    (project / "policy.toml").write_text(f"[redact]\n{RULE}")
    outcome = command("redact", "rules", "--policy", "policy.toml")
    assert outcome.code == 0
    (own,) = [line.split() for line in outcome.out.splitlines() if line.startswith("staff-number")]
    assert own == ["staff-number", "yours", "high", "artifact", "xxxxx-xxxxxx"]
    listed = json.loads(command("redact", "rules", "--json").out)
    by_id = {rule["id"]: rule for rule in listed}
    assert len(by_id) == len(listed)
    assert by_id["github-token"]["example"].startswith("gh")
    assert "xxxxxx" in by_id["github-token"]["example"]
    assert by_id["key-password"] == {
        "id": "key-password",
        "family": "keys",
        "confidence": "high",
        "where": "under a key",
        "example": "password: xxxxxxxx",
    }


def test_no_rule_s_example_is_shown(command: Command) -> None:
    """Else the list would be full of what looks like secrets, and could be pasted nowhere."""
    from reticent_redact.rules import RULES

    out = command("redact", "rules").out
    assert [rule.id for rule in RULES if any(hit.strip() in out for hit in rule.hits)] == []


def test_report(command: Command, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETICENT_REDACT", '{"deny": ["customer"], "backends": {"wandb": {"only": ["lr"]}}}')
    outcome = command("redact", "report", "aaaa")
    assert outcome.code == 0
    lines = [line.split() for line in outcome.out.splitlines()]
    assert ["param", "key-api-key", "mask", "high", "1"] in lines
    assert ["sqlite", "deny", "customer"] in lines
    assert ["wandb", "deny", "customer"] in lines
    assert ["wandb", "only", "lr"] in lines
    assert SECRET not in outcome.out
    found = json.loads(command("redact", "report", "aaaa", "--json").out)
    assert {one["rule"] for one in found["redacted"]} >= {"key-api-key"}
    assert found["policies"]["wandb"] == {"deny": "customer", "only": "lr"}
    assert command("redact", "report", "ffff0000").code == 1


@pytest.fixture
def copied(root: Path, tmp_path: Path) -> Path:
    shutil.copytree(root, tmp_path / "root")
    return tmp_path / "root"


def test_apply(command: Command, copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETICENT_REDACT", '{"deny": ["penalty", "long"]}')
    before = {path: path.read_bytes() for path in (copied / "runs").rglob("*.events")}
    dry = command("redact", "apply", "--dry-run", root=copied)
    assert dry.code == 0
    assert "9 runs  would be redacted again, of 11" in dry.out
    assert {path: path.read_bytes() for path in before} == before
    one = command("redact", "apply", "--run", "bbbb0003", "--json", root=copied)
    assert one.code == 0
    (run,) = json.loads(one.out)["runs"]
    assert (run["run_id"], run["state"]) == ("bbbb0003", "changed")
    hit = {"channel": "param", "rule": "key-denied", "action": "mask", "confidence": "high", "count": 1}
    assert run["hidden"] == [hit]
    outcome = command("redact", "apply", root=copied)
    assert outcome.code == 0
    assert "8 runs  redacted again, of 11" in outcome.out
    assert ["param", "key-denied", "mask", "high", "8"] in [line.split() for line in outcome.out.splitlines()]
    assert "the embedded database was made anew, 11 runs" in outcome.out
    again = command("redact", "apply", root=copied).out
    assert "nothing to hide in 11 runs" in again
    assert "the embedded database stays as it is" in again
    assert json.loads(command("show", "bbbb0001", "--json", root=copied).out)["params"]["penalty"] == (
        "[REDACTED:key-denied]"
    )
    unknown = command("redact", "apply", "--run", "ffff", root=copied)
    assert unknown.code == 1
    assert "no run has an id that is or begins with 'ffff'" in unknown.err
    assert "8 runs begin with 'bbbb'" in command("redact", "apply", "--run", "bbbb", root=copied).err


def test_apply_lists_what_is_in_quarantine_and_removes_it_when_asked(command: Command, copied: Path) -> None:
    kept = copied / "runs" / "bbbb0001" / "quarantine" / "models"
    kept.mkdir(parents=True)
    (kept / "weights.bin").write_bytes(b"\0")
    (kept / f"{GITHUB}.bin").write_bytes(b"\0")
    listed = command("redact", "apply", root=copied)
    assert listed.code == 0
    lines = [line.split() for line in listed.out.splitlines()]
    assert ["bbbb0001", "models/weights.bin"] in lines
    assert ["bbbb0001", "models/[REDACTED:github-token].bin"] in lines
    assert len(list(kept.iterdir())) == 2
    assert command("redact", "apply", "--dry-run", "--delete-quarantined", root=copied).code == 2
    removed = command("redact", "apply", "--delete-quarantined", root=copied)
    assert removed.code == 0
    assert "2 files removed from quarantine" in removed.out
    assert not kept.exists()
    assert (
        json.loads(command("redact", "apply", "--delete-quarantined", "--json", root=copied).out)["deleted_quarantined"]
        == 0
    )


def test_apply_where_nothing_was_logged_leaves_no_trace(command: Command, tmp_path: Path) -> None:
    assert command("redact", "apply", root=tmp_path / "none").code == 0
    assert list(tmp_path.iterdir()) == []
