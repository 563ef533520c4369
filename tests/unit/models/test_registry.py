"""Registered models: what is registered is there, and stays what it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import fsspec
import pytest
from sklearn.linear_model import LogisticRegression

import reticent
from reticent.errors import ReticentError
from reticent.models import load_model
from reticent.registry import register_model, set_alias, source
from reticent.testing import captured


@pytest.fixture
def logged(root: Path, data: tuple[Any, Any]) -> str:
    """The id of a run with a model."""
    with reticent.start_run() as run:
        run.log_model(LogisticRegression().fit(*data), "m")
    return run.run_id


def test_what_is_registered_is_written_in_full(logged: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert register_model(f"runs:/{logged}/m", "named").source == f"runs:/{logged}/m"  # still written, and waited for
    assert register_model(f"runs:/{logged[:8]}/m/", "named").source == f"runs:/{logged}/m"
    set_alias("named", "best", 1)
    assert register_model("models:/named@best", "named").source == f"runs:/{logged}/m"
    monkeypatch.chdir(root / "runs" / logged)
    assert register_model("artifacts/m", "named").source == str(root / "runs" / logged / "artifacts/m")
    for version in (1, 2, 3, 4):
        assert isinstance(load_model(f"models:/named/{version}", trust=True), LogisticRegression)


def test_a_model_that_is_logged_for_a_registered_one_is_its_next_version(root: Path, data: tuple[Any, Any]) -> None:
    with reticent.start_run() as run:
        for name in ("a", "b", "a"):  # the last one takes the place of the first one
            run.log_model(LogisticRegression().fit(*data), name, registered_model_name="named")
    assert reticent.flush(60)
    assert {source(f"named/{version}") for version in (1, 2)} == {f"runs:/{run.run_id}/{name}" for name in "ab"}
    with pytest.raises(ReticentError, match="has no version 3"):
        source("named/3")


def test_a_model_whose_process_was_killed_is_registered_by_the_next_one(root: Path, data: tuple[Any, Any]) -> None:
    script = f"""
import os, reticent
from sklearn.linear_model import LogisticRegression
with reticent.start_run() as run:
    run.log_model(LogisticRegression().fit([[0.0], [1.0]], [0, 1]), "m", registered_model_name="named")
    print(run.run_id, flush=True)
    os.kill(os.getpid(), {signal.SIGKILL.value})
"""
    environment = {**os.environ, "RETICENT_DIR": str(root)}
    killed = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    run_id = killed.stdout.strip()
    for _ in range(2):
        assert len(reticent.get_run(run_id).models()) == 1
        assert source("named/1") == f"runs:/{run_id}/m"
    with pytest.raises(ReticentError, match="has no version 2"):
        source("named/2")


@pytest.mark.parametrize("name", ["a/b", "a@b", "", "ghp_" + "R7mK2pQ9" * 4 + "xW4t"])
def test_one_with_a_name_that_none_can_have_is_logged_all_the_same(
    root: Path, data: tuple[Any, Any], name: str
) -> None:
    with reticent.start_run() as run:
        run.log_model(LogisticRegression().fit(*data), "m", registered_model_name=name)
    assert reticent.flush(60)
    (found,) = captured(root)
    assert found.models == ["m"]
    assert any("not registered" in text and "ghp_" not in text for text in found.warnings)
    assert not (root / "models").exists()


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("runs:/{run}/other", "the run has the models: m"),
        ("runs:/0000/m", "no run under"),
        ("models:/unnamed/1", "has no version 1"),
        ("/nowhere/at/all", "no file MLmodel"),
        ("memory://nowhere/at/all", "nothing is there"),
    ],
)
def test_what_is_not_there_is_not_registered(logged: str, root: Path, source: str, why: str) -> None:
    with pytest.raises(ReticentError, match=why):
        register_model(source.format(run=logged), "named")
    assert not (root / "models").exists()


def test_a_url_is_registered_as_it_is(logged: str, root: Path) -> None:
    files = fsspec.filesystem("memory")
    assert reticent.flush(30)
    files.put(str(root / "runs" / logged / "artifacts/m"), "/registered", recursive=True)
    try:
        assert register_model("memory://registered", "named").source == "memory://registered"
        assert isinstance(load_model("models:/named/1", trust=True), LogisticRegression)
    finally:
        files.rm("/registered", recursive=True)


def test_no_credential_is_written_down(root: Path) -> None:
    token = "ghp_" + "R7mK2pQ9" * 4 + "xW4t"
    for url in ("https://bob:hunter2" + "hunter2@models.example/m", f"memory://m?token={token}"):
        with pytest.raises(ReticentError, match="must not hold a secret"):
            register_model(url, "named")
    assert not (root / "models").exists()


@pytest.mark.parametrize(
    ("file", "content", "reference"),
    [
        ("@prod", "three", "named@prod"),
        ("2.json", '{"name": "na', "named/2"),
        ("3.json", '{"name":"named","version":3,"source":"models:/named/3","time":1}', "named/3"),
        ("4.json", "{}", "named/" + "9" * 5000),
        ("4.json", "{}", "named/²"),
    ],
)
def test_what_was_damaged_is_told(root: Path, file: str, content: str, reference: str) -> None:
    (root / "models/named").mkdir(parents=True)
    (root / "models/named" / file).write_text(content)
    with pytest.raises(ReticentError):
        load_model(f"models:/{reference}")
