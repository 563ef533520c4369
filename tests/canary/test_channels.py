"""Three secrets go in by every way there is, and nothing of them comes out: not in a run's directory, not in the embedded
database, not to a backend, not in what is printed or logged. Each way is taken by a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.canary.channels import CHANNELS

from reticent import cli
from reticent.testing import isolated
from reticent.testing.canary import CANARY, VARIABLE, find

HERE = Path(__file__).resolve().parents[2]
NOT_TWICE = [name for name in CHANNELS if name.startswith("a_backend") or name == "an_error_that_ends_the_program"]
"""What does not go on in one process with others."""


def child(directory: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Send secrets from a process, which delivers to the embedded store and to a backend that keeps what it gets."""
    metadata = directory / "receiver-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: receiver\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[reticent.backends]\nreceiver = tests.canary.receiver:Receiver\n")
    (directory / "files").mkdir()
    settings = {
        "PYTHONPATH": os.pathsep.join([str(directory), str(HERE), *filter(None, sys.path)]),
        "RECEIVED": str(directory / "received"),
        "RETICENT_BACKENDS": "sqlite,receiver",
        "RETICENT_DIR": str(directory / "root"),
        "RETICENT_CAPTURE": '{"git": false}',
        "RETICENT_STRICT": "0",
        "MPLCONFIGDIR": str(directory.parent),
        "PYTHONIOENCODING": "utf-8",
        VARIABLE: CANARY.known,
    }
    command = [sys.executable, "-m", "tests.canary.channels", str(directory / "files"), *arguments]
    return subprocess.run(
        command, env={**os.environ, **settings, **environment}, cwd=directory, capture_output=True, timeout=120
    )


def leaks(directory: Path, texts: list[str | bytes]) -> list[str]:
    places = [directory / "root", directory / "received"]
    return [f"{place.name}/{found}" for secret in CANARY.all() for place in places for found in find(secret, place)] + [
        found for secret in CANARY.all() for found in find(secret, texts=texts)
    ]


@pytest.mark.parametrize("name", CHANNELS)
def test_nothing_gets_out(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    channel = CHANNELS[name]
    done = child(tmp_path, name, **channel.environment)
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    assert leaks(tmp_path, [done.stderr, *([] if channel.prints else [done.stdout])]) == []
    ids = [path.name for path in (tmp_path / "root" / "runs").iterdir()]
    assert ids
    commands = [["runs", "--all"], ["runs", "--json"], *([["compare", *ids]] if len(ids) > 1 else [])]
    commands += [["show", *options, one] for one in ids for options in ([], ["--json"], ["--console"])]
    with isolated(tmp_path / "root"):
        for arguments in commands:
            monkeypatch.setattr(sys, "argv", ["reticent", *arguments])
            with pytest.raises(SystemExit):
                cli.main()
        out, errors = capsys.readouterr()
        assert errors == ""
        assert leaks(tmp_path, [out]) == []


def test_they_are_found_where_nothing_is_redacted(tmp_path: Path) -> None:
    names = [name for name in CHANNELS if name not in NOT_TWICE]
    done = child(tmp_path, "--unsealed", *names)
    assert done.returncode == 0, done.stderr.decode()
    silent = [
        (name, secret)
        for name in names
        for secret in CHANNELS[name].secrets
        if not find(secret, tmp_path / "files" / name / "root")
    ]
    assert silent == []
