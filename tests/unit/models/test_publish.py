"""What is published of a staged model: whole, sealed, in one piece, whatever happens on the way."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from sklearn.linear_model import LogisticRegression

from reticent.models import Flavor, stage
from reticent.records import Artifact, Model, Warned, Withheld

from .conftest import SECRET, RunDirectory

FILES = {
    "MLmodel",
    "conda.yaml",
    "input_example.json",
    "model.pkl",
    "python_env.yaml",
    "requirements.txt",
    "serving_input_example.json",
}


def artifacts(run: RunDirectory) -> set[str]:
    root = run.path / "artifacts"
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def staging(run: RunDirectory) -> list[Path]:
    root = run.path / "staging"
    return list(root.iterdir()) if root.exists() else []


def without_time(records: list[Any]) -> list[Any]:
    return [{name: getattr(record, name) for name in record.__struct_fields__ if name != "time"} for record in records]


def test_a_model_is_published_with_a_record_for_each_file(run, data):
    X, y = data
    token = stage(
        run.path, LogisticRegression().fit(X, y), input_example=X, signature_outputs=y, metadata={"team": "red"}
    ).token
    records = run.publish(run.staged(token))

    assert artifacts(run) == {f"model/{name}" for name in FILES}
    files = [record for record in records if isinstance(record, Artifact)]
    assert {record.path for record in files} == {f"model/{name}" for name in FILES}
    for record in files:
        content = (run.path / "artifacts" / record.path).read_bytes()
        assert (record.size, record.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert [record.staged for record in files] == [None] * (len(files) - 1) + [token]
    assert records[-1] is files[-1], "the record that ends the snapshot comes after the model's"

    (model,) = [record for record in records if isinstance(record, Model)]
    assert model.flavor == "sklearn"
    assert model.mlmodel == (run.path / "artifacts/model/MLmodel").read_text()
    assert model.size == sum(record.size for record in files)

    content = yaml.safe_load(model.mlmodel)
    assert content["run_id"] == run.path.name
    assert content["metadata"]["team"] == "red"
    assert {file["path"] for file in content["metadata"]["reticent"]["files"]} == FILES - {"MLmodel"}
    assert json.loads(content["signature"]["inputs"])[0] == {"type": "long", "name": "a", "required": True}
    requirements = (run.path / "artifacts/model/requirements.txt").read_text().split()
    assert [line.partition("==")[0] for line in requirements] == ["numpy", "pandas", "scikit-learn", "scipy"]
    assert staging(run) == []


def test_published_files_are_their_owner_s_only(run, data):
    run.log(LogisticRegression().fit(*data))
    assert {path.stat().st_mode & 0o777 for path in (run.path / "artifacts/model").iterdir()} == {0o600}


def test_another_process_publishes_without_the_framework(run, data):
    X, y = data
    token = stage(run.path, LogisticRegression().fit(X, y), input_example=X).token
    program = f"""
import sys
for name in ("sklearn", "numpy", "pandas", "scipy"):
    sys.modules[name] = None  # cannot be imported
from pathlib import Path
from reticent_redact import Redactor, Report
from reticent.models.publish import publish
from reticent.records import Staged
redactor = Redactor()
staged = Staged(time=1.0, token={token!r}, path=redactor.seal("model", channel="artifact"), kind="model")
print(len(publish(Path({str(run.path)!r}), staged, redactor, Report())))
"""
    paths = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
        timeout=60,
    )
    assert done.stdout.strip() == str(len(FILES) + 1), done.stderr
    assert artifacts(run) == {f"model/{name}" for name in FILES}


def test_a_model_with_a_secret_in_its_pickle_is_withheld_whole(run, data):
    model = LogisticRegression().fit(*data)
    model.note_ = f"from {SECRET}"
    token = stage(run.path, model, input_example=data[0]).token
    records = run.publish(run.staged(token))

    assert [(type(record), record.path, record.staged) for record in records] == [(Withheld, "model/model.pkl", token)]
    assert artifacts(run) == set()
    assert staging(run) == []
    assert (run.path / "quarantine/model" / token / "model/model.pkl").is_file()
    assert without_time(run.publish(run.staged(token))) == without_time(records), "asked again, it says the same"


def test_a_withheld_model_leaves_the_earlier_one_of_its_name(run, data):
    model = LogisticRegression().fit(*data)
    run.log(model)
    before = {name: (run.path / "artifacts" / name).read_bytes() for name in artifacts(run)}
    model.note_ = SECRET
    run.log(model)
    assert {name: (run.path / "artifacts" / name).read_bytes() for name in artifacts(run)} == before


def test_secrets_in_metadata_example_and_text_files_are_masked(run, data):
    X = data[0].assign(password="hunter2-hunter2", comment=f"see {SECRET}")

    def save(model: Any, directory: Path) -> dict[str, Any]:
        (directory / "deep").mkdir()
        (directory / "deep/model.txt").write_text(f"weights\napi_key={SECRET}\n")
        return {"text": {"path": f"of {SECRET}"}}

    flavor = Flavor("text", lambda model: True, save, lambda path, config: None)
    run.log(object(), flavor=flavor, input_example=X, metadata={"db": {"password": "hunter2-hunter2"}})
    everything = b"".join((run.path / "artifacts" / name).read_bytes() for name in artifacts(run))
    assert SECRET.encode() not in everything
    assert b"hunter2" not in everything
    example = json.loads((run.path / "artifacts/model/input_example.json").read_text())
    assert example["columns"] == ["a", "b", "password", "comment"]
    assert example["data"][1][:2] == [1, 1 / 7]
    content = yaml.safe_load((run.path / "artifacts/model/MLmodel").read_text())
    (listed,) = [file for file in content["metadata"]["reticent"]["files"] if file["path"] == "deep/model.txt"]
    sealed = (run.path / "artifacts/model/deep/model.txt").read_bytes()
    assert listed["sha256"] == hashlib.sha256(sealed).hexdigest(), "of the file as published, not as staged"
    assert run.report.counts()


def test_file_names_that_sound_like_secrets_keep_their_checksums(run):
    def save(model: Any, directory: Path) -> dict[str, Any]:
        (directory / "password_model.txt").write_text("weights")
        return {"text": {"data": "password_model.txt"}}

    run.log(object(), flavor=Flavor("text", lambda model: True, save, lambda path, config: None))
    content = yaml.safe_load((run.path / "artifacts/model/MLmodel").read_text())
    (listed, *_) = content["metadata"]["reticent"]["files"]
    assert listed["sha256"] == hashlib.sha256(b"weights").hexdigest()


class Cut(BaseException):
    """The process vanishes."""


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("cut", range(1, 15))
def test_publishing_that_was_cut_off_is_done_again(run, data, monkeypatch, cut, done):
    token = stage(run.path, LogisticRegression().fit(*data), input_example=data[0]).token
    steps = 0

    rename = os.replace

    def cut_off(source: Any, target: Any) -> None:
        nonlocal steps
        steps += 1
        if steps == cut and not done:
            raise Cut
        rename(source, target)
        if steps == cut:
            raise Cut

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", cut_off)
        with pytest.raises(Cut):
            run.publish(run.staged(token))
    records = run.publish(run.staged(token))
    assert {record.path for record in records} == {f"model/{name}" for name in FILES} | {"model"}
    assert [record.staged for record in records if isinstance(record, Artifact)][-1] == token
    assert artifacts(run) == {f"model/{name}" for name in FILES}
    assert staging(run) == []


def test_records_that_did_not_reach_the_log_are_made_again(run, data):
    token = stage(run.path, LogisticRegression().fit(*data), input_example=data[0]).token
    records = run.publish(run.staged(token))
    assert without_time(run.publish(run.staged(token))) == without_time(records)


def test_a_snapshot_that_is_gone_gives_no_records(run, data):
    run.log(LogisticRegression().fit(*data))
    assert run.publish(run.staged("0" * 32)) == []


def test_half_a_snapshot_is_none(run, data):
    token = stage(run.path, LogisticRegression().fit(*data)).token
    (run.path / "staging" / token / "reticent-model.json").unlink()
    assert run.publish(run.staged(token)) == []
    assert artifacts(run) == set()
    assert staging(run) == []


def test_a_later_model_of_the_same_name_takes_its_place_and_spares_other_artifacts(run, data):
    X, y = data
    run.log(LogisticRegression(C=1.0).fit(X, y))
    notes = run.path / "artifacts/model/notes.txt"
    notes.write_text("mine")
    run.log(LogisticRegression(C=0.7).fit(X, y), input_example=X)
    run.log(LogisticRegression(C=0.5).fit(X, y))
    assert notes.read_text() == "mine"
    assert not list(notes.parent.glob("*example*")), "files of the former model"
    content = yaml.safe_load((run.path / "artifacts/model/MLmodel").read_text())
    for file in content["metadata"]["reticent"]["files"]:
        assert hashlib.sha256((run.path / "artifacts/model" / file["path"]).read_bytes()).hexdigest() == file["sha256"]


def test_a_model_with_something_hidden_in_its_files_says_so(run):
    def save(model: Any, directory: Path) -> dict[str, Any]:
        (directory / "model.txt").write_text(f"weights\napi_key={model}\n")
        return {"text": {"data": "model.txt"}}

    flavor = Flavor("text", lambda model: True, save, lambda path, config: None)
    assert [record for record in run.log("none", flavor=flavor) if isinstance(record, Warned)] == []
    (warning,) = [record for record in run.log(SECRET, flavor=flavor) if isinstance(record, Warned)]
    assert "'model': model.txt" in warning.message
