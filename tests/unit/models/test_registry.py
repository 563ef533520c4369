"""Registered models: what is registered is there, and stays what it was."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import fsspec
import pytest
from sklearn.linear_model import LogisticRegression

import reticent
from reticent.errors import ReticentError
from reticent.models import load_model
from reticent.records import ModelAlias
from reticent.recovery import events
from reticent.registry import register_model, set_alias, source
from reticent.runlog import RunReader
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


def aliases(root: Path, run_id: str) -> list[tuple[str, str, str]]:
    """What a run's log says of aliases, in the order of the times."""
    found = [one for one in events(RunReader(root / "runs" / run_id)) if isinstance(one, ModelAlias)]
    return [(one.name, one.alias, one.path) for one in found]


def test_an_alias_is_in_the_log_of_the_models_run(logged: str, root: Path) -> None:
    register_model(f"runs:/{logged}/m", "named")
    with reticent.start_run() as run:
        run.log_model(LogisticRegression().fit([[0.0], [1.0]], [0, 1]), "m", registered_model_name="named")
        assert reticent.flush(60)
        set_alias("named", "best", 2)
        set_alias("named", "best", 1)
        set_alias("named", "newest", 2)
    assert aliases(root, logged) == [("named", "best", "m")]
    assert aliases(root, run.run_id) == [("named", "best", "m"), ("named", "newest", "m")]
    assert reticent.flush(60)
    ((first,), (second, _)) = (reticent.get_run(one).model_aliases() for one in (logged, run.run_id))
    assert first.time > second.time, "the one that was set last"
    assert source("named@best") == f"runs:/{logged}/m"
    for run_id in (logged, run.run_id):
        reader = RunReader(root / "runs" / run_id)
        assert events(reader)
        assert reader.finished()


SETTING = """
import sys
import time
from reticent.registry import set_alias
set_alias("named", *sys.argv[1:2], 1)
"""


def set_by_another(root: Path, alias: str, store: Path) -> None:
    environment = {**os.environ, "RETICENT_DIR": str(root), "RETICENT_BACKENDS": f"sqlite,jsonl://{store}"}
    subprocess.run([sys.executable, "-c", SETTING, alias], env=environment, check=True, timeout=120)


def test_another_process_sets_one_and_delivers_it(logged: str, root: Path, tmp_path: Path) -> None:
    register_model(f"runs:/{logged}/m", "named")
    assert reticent.flush(60)
    set_by_another(root, "best", tmp_path / "store")
    assert aliases(root, logged) == [("named", "best", "m")]
    assert '"best"' in (tmp_path / "store" / logged / "events.jsonl").read_text()


def test_of_a_run_that_another_process_has_open_that_one_delivers_it(
    root: Path, data: tuple[Any, Any], tmp_path: Path
) -> None:
    reticent.configure(backends=[f"jsonl://{tmp_path / 'ours'}"])
    with reticent.start_run() as run:
        run.log_model(LogisticRegression().fit(*data), "m", registered_model_name="named")
        assert reticent.flush(60)
        set_by_another(root, "best", tmp_path / "theirs")
        assert not (tmp_path / "theirs").exists()
        assert reticent.flush(60)
        assert '"best"' in (tmp_path / "ours" / run.run_id / "events.jsonl").read_text()


def test_a_clock_that_was_set_back_sets_none_in_the_past(logged: str, root: Path) -> None:
    register_model(f"runs:/{logged}/m", "named")
    set_alias("named", "best", 1)
    ahead = time.time() + 3600
    os.utime(root / "models" / "named" / "@best", (ahead, ahead))  # as if it had been set an hour from now
    set_alias("named", "best", 1)
    assert reticent.flush(60)
    (newest,) = reticent.get_run(logged).model_aliases()
    assert newest.time > ahead


def test_one_that_no_server_can_get_is_said(
    logged: str, root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    register_model(f"runs:/{logged}/m", "named")
    shutil.copytree(root / "runs" / logged / "artifacts" / "m", tmp_path / "elsewhere")
    register_model(tmp_path / "elsewhere", "named")
    set_alias("named", "here", 2)
    assert "here alone" not in caplog.text, "there is no server"
    reticent.configure(backends=["sqlite", f"jsonl://{tmp_path / 'store'}"])
    set_alias("named", "best", 2)
    assert "'best' of 'named' is set here alone: version 2 is no model of a run" in caplog.text
    assert source("named@best") == str(tmp_path / "elsewhere")


def test_a_secret_is_no_alias(logged: str, root: Path) -> None:
    register_model(f"runs:/{logged}/m", "named")
    secret = "ghp_" + "R7mK2pQ9" * 4 + "xW4t"
    with pytest.raises(ReticentError, match="a secret is in it") as caught:
        set_alias("named", secret, 1)
    assert secret not in str(caught.value)
    assert [path.name for path in (root / "models" / "named").iterdir()] == ["1.json"]
    assert aliases(root, logged) == []


def test_one_that_cannot_be_noted_is_not_set(logged: str, root: Path) -> None:
    register_model(f"runs:/{logged}/m", "named")
    set_alias("named", "best", 1)
    assert reticent.flush(60)
    register_model(f"runs:/{logged}/m", "named")
    (root / "runs" / logged).rename(root / "runs" / "away")
    (root / "runs" / logged).symlink_to("/proc/self")  # a directory in which no file can be made
    with pytest.raises(ReticentError, match=r"the alias 'best' is not set: the log of the run \w+ cannot be written"):
        set_alias("named", "best", 2)
    assert (root / "models" / "named" / "@best").read_text() == "1"
