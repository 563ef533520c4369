"""`reticent sync` and `reticent reindex`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from .conftest import Command


@pytest.fixture
def carried(root: Path, tmp_path: Path) -> Path:
    """The runs alone, as they are carried over from another machine."""
    shutil.copytree(root / "runs", tmp_path / "root" / "runs")
    return tmp_path / "root"


def test_sync_delivers_what_is_outstanding_once(command: Command, carried: Path) -> None:
    first = command("sync", root=carried)
    assert first.code == 0
    assert "✓ sqlite" in first.out
    assert "11 runs" in first.out
    assert "has everything already" in command("sync", root=carried).out


def test_one_run_can_be_named_by_the_beginning_of_its_id(command: Command, root: Path) -> None:
    assert command("sync", "--run", "aaaa", root=root).code == 0
    unknown = command("sync", "--run", "ffff0000", root=root)
    assert unknown.code == 1
    assert "ffff0000" in unknown.err


def test_a_backend_that_fails_is_exit_code_1_and_stops_no_other(command: Command, carried: Path) -> None:
    outcome = command("sync", "--to", "nowhere", "--to", "sqlite", root=carried)
    assert outcome.code == 1
    assert "✗ nowhere" in outcome.out
    assert "no backend is called" in outcome.out
    assert "✓ sqlite" in outcome.out


def test_reindex_builds_the_database_anew(command: Command, carried: Path) -> None:
    (carried / "reticent.db").write_bytes(b"this is no database" * 1000)
    damaged = command("runs", root=carried)
    assert damaged.code == 1
    assert "reindex" in damaged.err
    assert "Traceback" not in damaged.err
    rebuilt = command("reindex", root=carried)
    assert rebuilt.code == 0
    assert "11 runs" in rebuilt.out
    assert "aaaa0001" in command("runs", root=carried).out


@pytest.mark.parametrize("more", [(), ("--watch",)])
def test_a_url_that_holds_a_password_is_refused(command: Command, more: tuple[str, ...]) -> None:
    outcome = command("sync", "--to", "jsonl://me:" + "hunter2-and-3@host/store", *more)
    assert outcome.code == 1
    assert "holds a password or a token" in outcome.err
    assert "hunter2" not in outcome.out + outcome.err
