"""What git says of the code is in the run, without secrets; no program that a repository names is started."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

import reticent
from reticent.surroundings import git as asked
from reticent.surroundings.git import DIFF_BYTES, Repository, describe

from .conftest import Find, Run, git

SECRET = "sk-" + "proj-" + "7Yb1Nc4P" * 6
TRAIN = 'import reticent\nwith reticent.start_run("r", run_id="r"): pass'


@pytest.fixture(autouse=True)
def _asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked, "_known", {})


def test_commit_branch_remote_and_diff(script: Run, root: Path, repository: Path, find: Find) -> None:
    git(repository, "remote", "add", "origin", f"https://user:{SECRET}@host.example/code.git")
    (repository / "code.py").write_text(f"lr = 0.2\napi_key = '{SECRET}'\n")
    (repository / "untracked.py").write_text("not looked at")
    below = repository / "deep"
    below.mkdir()
    done = script(TRAIN, cwd=below)
    assert (done.returncode, done.stderr) == (0, "")
    run = reticent.get_run("r")
    assert run.tags["git.commit"] == git(repository, "rev-parse", "HEAD")
    assert (run.tags["git.branch"], run.tags["git.dirty"]) == ("trunk", "True")
    assert "host.example/code.git" in run.tags["git.remote"]
    patch = run.artifact_path("git/diff.patch").read_text()
    assert "-lr = 0.1\n+lr = 0.2\n+api_key = '[REDACTED:" in patch
    assert {one.channel for one in run.redactions()} == {"git remote", "git diff"}
    assert find(SECRET) == []
    assert find("not looked at") == []
    assert run.health.state == "ok"


def test_a_clean_repository_has_no_diff(repository: Path) -> None:
    git(repository, "checkout", "--quiet", "--detach")
    os.utime(repository / "code.py", (1, 1))  # touched, not changed
    before = (repository / ".git" / "index").stat()
    found = describe([str(repository)])
    assert found == Repository(commit=git(repository, "rev-parse", "HEAD"), dirty=False)
    after = (repository / ".git" / "index").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns), "git has written to the repository"


def test_the_remote_of_the_branch_comes_first(repository: Path) -> None:
    git(repository, "remote", "add", "origin", "https://host.example/origin")
    git(repository, "remote", "add", "fork", "https://host.example/fork")
    git(repository, "config", "branch.trunk.remote", "fork")
    found = describe([str(repository)])
    assert found is not None
    assert found.remote == "https://host.example/fork"


def test_without_a_repository_a_commit_or_git_there_is_nothing(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert describe([str(tmp_path)]) is None
    empty = tmp_path / "empty"
    empty.mkdir()
    git(empty, "init", "--quiet")
    assert describe([str(empty)]) is None
    assert describe([str(tmp_path), str(repository)]) is not None
    monkeypatch.setenv("PATH", "")
    assert describe([str(repository)]) is None


def test_an_answer_holds_for_a_while(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = fake_git(tmp_path, monkeypatch, 'exec "$REAL_GIT" "$@"')
    first = describe([str(repository)])
    started = calls()
    assert started == 3
    assert all(describe([str(repository)]) is first for _ in range(1000))
    assert calls() == started
    monkeypatch.setattr(asked, "FRESH_S", -1.0)
    asked._known.clear()
    describe([str(repository)])
    (repository / "code.py").write_text("changed\n")
    later = describe([str(repository)])
    assert later is not None
    assert "+changed" in later.diff


def fake_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last_line: str):  # type: ignore[no-untyped-def]
    """A `git` in front of the search path that counts its calls; returns what tells how many there were."""
    import shutil

    monkeypatch.setenv("REAL_GIT", shutil.which("git") or "")
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "git"
    program.write_text(f'#!/bin/sh\necho x >> "{folder}/calls"\n{last_line}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return lambda: len((folder / "calls").read_text().split())


def test_a_large_diff_is_cut_at_a_line_and_that_is_told(script: Run, root: Path, repository: Path) -> None:
    (repository / "code.py").write_text("".join(f"value_{number} = {number}\n" for number in range(100_000)))
    done = script(TRAIN, cwd=repository)
    assert done.returncode == 0
    assert done.stderr.count("\n") == 1
    run = reticent.get_run("r")
    patch = run.artifact_path("git/diff.patch").read_text()
    assert DIFF_BYTES - 100 < len(patch) <= DIFF_BYTES
    assert patch.endswith("\n")
    assert run.tags["git.dirty"] == "True"
    assert run.health.state == "degraded"
    assert [one.message for one in run.warnings()] == [
        "the uncommitted changes are over 1 MiB; git/diff.patch has their beginning only"
    ]


def test_without_the_diff_it_is_known_that_there_is_one(script: Run, root: Path, repository: Path) -> None:
    (repository / "code.py").write_text("lr = 0.2\n")
    assert script(TRAIN, cwd=repository, capture=json.dumps({"git_diff": False})).returncode == 0
    run = reticent.get_run("r")
    assert run.tags["git.dirty"] == "True"
    assert run.artifacts() == []


def test_no_program_of_the_repositorys_configuration_is_started(repository: Path, tmp_path: Path) -> None:
    trap, sprung = tmp_path / "trap", tmp_path / "sprung"
    trap.write_text(f'#!/bin/sh\necho "$0 $@" >> "{sprung}"\n')
    trap.chmod(0o755)
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for hook in ("post-index-change", "fsmonitor-watchman", "reference-transaction"):
        (hooks / hook).symlink_to(trap)
    (repository / ".gitattributes").write_text("*.py filter=evil diff=evil\n*.txt filter=other\n")
    (repository / "data.txt").write_text("one\n")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message", "attributes")
    included = tmp_path / "included"
    included.write_text(f'[filter "other"]\n\tprocess = {trap}\n\trequired = true\n')
    for key, value in {
        "core.fsmonitor": str(trap),
        "core.hooksPath": str(hooks),
        "core.pager": str(trap),
        "pager.diff": str(trap),
        "core.sshCommand": str(trap),
        "core.askPass": str(trap),
        "diff.external": str(trap),
        "diff.evil.command": str(trap),
        "diff.evil.textconv": str(trap),
        "filter.evil.clean": str(trap),
        "filter.evil.required": "true",
        "include.path": str(included),
        "credential.helper": str(trap),
        "remote.origin.url": f"ext::{trap}",
        "remote.origin.promisor": "true",
        "protocol.ext.allow": "always",
        "extensions.partialClone": "origin",
    }.items():
        git(repository, "config", key, value)
    (repository / "code.py").write_text("lr = 0.2\n")
    (repository / "data.txt").write_text("two\n")
    found = describe([str(repository)])
    assert found is not None
    assert "+lr = 0.2" in found.diff
    assert "+two" in found.diff
    blob = git_without_traps(repository, "rev-parse", "HEAD:code.py")
    (repository / ".git" / "objects" / blob[:2] / blob[2:]).unlink()  # a partial clone would fetch it now
    asked._known.clear()
    lacking = describe([str(repository)])
    assert lacking is not None
    assert lacking.dirty is None
    assert not sprung.exists(), sprung.read_text()
    subprocess.run(["git", "diff"], cwd=repository, stdin=subprocess.DEVNULL, capture_output=True, timeout=30)
    assert sprung.exists(), "the traps would not spring at all"


def git_without_traps(place: Path, *arguments: str) -> str:
    return git(place, "-c", "core.fsmonitor=", *arguments)


def test_an_embedded_bare_repository_is_not_read(repository: Path, tmp_path: Path) -> None:
    below = repository / "data"
    git(tmp_path, "clone", "--quiet", "--bare", str(repository), str(below))
    found = describe([str(below)])
    assert found is not None
    assert found.branch == "trunk"
    assert found.dirty is False


def test_a_git_that_hangs_keeps_nobody_waiting(
    script: Run, root: Path, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = fake_git(tmp_path, monkeypatch, f'sleep 600 &\necho $! > "{tmp_path}/sleeper"\nsleep 600')
    code = """
        import time, reticent, reticent.surroundings.git as git
        git.TIMEOUT_S = 0.5
        began = time.monotonic()
        for number in range(20):
            with reticent.start_run("r", run_id=f"r{number}"):
                reticent.log_metric("loss", 0.5, step=1)
        print(time.monotonic() - began < 30)
    """
    done = script(code, cwd=repository)
    assert (done.returncode, done.stdout) == (0, "True\n")
    assert done.stderr.count("no answer within") == 1
    assert calls() == 1
    run = reticent.get_run("r19")
    assert run.metrics == {"loss": 0.5}
    assert "git.commit" not in run.tags
    assert run.health.state == "degraded"
    assert not is_running(int((tmp_path / "sleeper").read_text())), "what the hanging git had started still runs"


def is_running(pid: int) -> bool:
    """Whether a process lives; one that has just been killed is given a moment."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return False
        except OSError:
            return False
        time.sleep(0.05)
    return True
