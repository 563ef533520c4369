"""`reticent backends` says what can be used and why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from reticent.backends.jsonl import JsonLinesBackend

from .conftest import Command


def test_what_is_configured_is_asked_and_what_is_not_is_listed(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETICENT_BACKENDS", f"sqlite, jsonl://{tmp_path}/lines")
    outcome = command("backends")
    assert outcome.code == 0
    lines = {line.split()[1]: " ".join(line.split()[2:]) for line in outcome.out.splitlines()}
    assert lines["jsonl"] == f"jsonl://{tmp_path}/lines can be reached"
    assert lines["mlflow"] == "installed not configured"


def test_one_that_cannot_be_reached_is_told_with_the_reason(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETICENT_BACKENDS", "mlflow+http://127.0.0.1:1")
    outcome = command("backends")
    assert outcome.code == 1
    assert "http://127.0.0.1:1 cannot be reached: [Errno 111] Connection refused" in outcome.out


@pytest.mark.parametrize("module", ["no_such_module", "no_such_package.module"])
def test_what_is_to_be_installed_is_told(command: Command, monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    monkeypatch.setattr(JsonLinesBackend, "needs", (module,), raising=False)
    assert "pip install 'reticent[jsonl]'" in command("backends").out
    monkeypatch.setenv("RETICENT_BACKENDS", "jsonl")
    outcome = command("backends")
    assert outcome.code == 1
    assert f"the backend jsonl needs {module}: pip install 'reticent[jsonl]'" in outcome.out


def test_a_directory_of_its_name_is_no_package(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "no_such_module").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(JsonLinesBackend, "needs", ("no_such_module",), raising=False)
    assert "pip install 'reticent[jsonl]'" in command("backends").out
