"""Registered models: what is registered is there, and stays what it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fsspec
import pytest
from sklearn.linear_model import LogisticRegression

import reticent
from reticent.errors import ReticentError
from reticent.models import load_model
from reticent.registry import register_model, set_alias


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
