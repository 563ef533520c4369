"""Verifying: what was published and nothing else is looked at, and what was not judged is not loaded."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import xgboost
import yaml

import reticent
from reticent import registry
from reticent.models.verify import Step, verify

from .conftest import RunDirectory


class Attack:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


@pytest.fixture
def model(run: RunDirectory, data: Any) -> Path:
    """One that needs no trust."""
    X, y = data
    made = xgboost.XGBClassifier(n_estimators=2).fit(X, y)
    run.log(made, input_example=X, signature_outputs=made.predict(X))
    return run.path / "artifacts/model"


def without_checksums(model: Path) -> None:
    content = yaml.safe_load((model / "MLmodel").read_text())
    del content["metadata"]
    (model / "MLmodel").write_text(yaml.safe_dump(content))


def test_a_sound_model(model: Path) -> None:
    assert [step.state for step in verify(str(model), trust=False)] == ["good"] * 5
    without_checksums(model)
    assert [step.state for step in verify(str(model), trust=False)] == ["fair", *["good"] * 4]


@pytest.mark.parametrize("trust", [False, True])
@pytest.mark.parametrize("listed", ["as it was", "none", "none before"])
def test_a_model_that_is_swapped_while_it_is_verified_runs_no_code(
    model: Path, tmp_path: Path, listed: str, trust: bool
) -> None:
    mark = tmp_path / "mark"
    if listed == "none before":
        without_checksums(model)
    content = yaml.safe_load((model / "MLmodel").read_text())
    if listed == "none":
        del content["metadata"]
    elif listed == "as it was":
        content["metadata"]["reticent"]["flavor"] = "sklearn"
    content["flavors"] = {"sklearn": {"pickled_model": "x.pkl"}}
    steps = verify(str(model), trust=trust)
    while not next(steps).text.startswith("loading it runs no code"):
        pass
    (model / "x.pkl").write_bytes(pickle.dumps(Attack(mark)))
    (model / "MLmodel").write_text(yaml.safe_dump(content))
    rest = list(steps)
    assert not mark.exists()
    assert rest == [Step("bad", "the model was changed while it was verified; nothing of it was loaded")]


@pytest.mark.parametrize("kind", ["file", "file in a directory", "link", "link to a directory", "broken link"])
def test_files_that_are_not_listed_are_bad(model: Path, tmp_path: Path, kind: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    if kind == "file":
        (model / "more").write_text("x")
    elif kind == "file in a directory":
        (model / "more").mkdir()
        (model / "more/x.py").write_text("x")
    else:
        targets = {"link": model / "MLmodel", "link to a directory": tmp_path / "elsewhere", "broken link": "nowhere"}
        (model / "more").symlink_to(targets[kind])
    name = "more/x.py" if "in a" in kind else "more"
    steps = list(verify(str(model), trust=True))
    assert [step.state for step in steps] == ["bad"]
    assert steps[0].text.startswith(f"{name} is not among")
    without_checksums(model)
    assert not any(step.state == "bad" for step in verify(str(model), trust=True))


def test_the_mlmodel_file_of_a_run_is_the_one_that_its_log_names(root: Path, data: Any) -> None:
    X, y = data
    with reticent.start_run("a") as run:
        run.log_model(xgboost.XGBClassifier(n_estimators=2).fit(X, y), "deep/model", input_example=X)
    assert reticent.flush(60)
    uri = f"runs:/{run.run_id}/deep/model"
    version = registry.register_model(uri, "trees")
    of_log = Step("good", "MLmodel has the checksum that the run's log says")
    for name in (uri, f"{uri}/", f"models:/trees/{version.version}"):
        assert of_log in list(verify(name, trust=False))
    directory = root / "runs" / run.run_id / "artifacts/deep/model"
    assert of_log not in list(verify(str(directory), trust=False))
    with (directory / "MLmodel").open("a") as file:
        file.write("# changed\n")
    changed = [Step("bad", "MLmodel is changed: the run's log has another checksum for it")]
    for name in (uri, f"models:/trees/{version.version}"):
        assert list(verify(name, trust=True)) == changed
    (root / "runs" / run.run_id / "artifacts/other").symlink_to(directory)
    assert any("does not say what MLmodel was" in step.text for step in verify(f"runs:/{run.run_id}/other", trust=True))
