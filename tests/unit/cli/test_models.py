"""`reticent models`: what is listed, shown, loaded, verified and converted."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import reticent
from reticent.models import flavor as flavors
from reticent.records import ModelTried
from reticent.sessions import current
from reticent.testing import isolated

from .conftest import Command, clean_environment

MODELS = """
import sys, time
import numpy as np, pandas as pd, xgboost
import reticent
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

rows = np.arange(40)
X, y = pd.DataFrame({"a": rows, "b": rows / 7}), (rows > 20).astype(int)

def log(run, model, name, **options):
    model.fit(X, y)
    run.log_model(model, name, signature_outputs=model.predict(X), **options)

with reticent.start_run("safe [red]x[/]", run_id="aaaa0001", experiment="churn") as run:
    log(run, LogisticRegression(), "linear", input_example=X)
    log(run, xgboost.XGBClassifier(n_estimators=3), "deep/trees", input_example=X)
with reticent.start_run("unsafe", run_id="bbbb0001", experiment="other") as run:
    log(run, make_pipeline(FunctionTransformer(lambda X: X * 2), LogisticRegression()), "lambda", input_example=X)
    log(run, LogisticRegression(), "bare", signature_inputs=X.to_numpy())
with reticent.start_run("none", run_id="cccc0001", experiment="empty"):
    pass
assert reticent.flush(60)
until = time.monotonic() + 60
while sum(len(run.tried_models()) for run in reticent.search_runs()) < 4:
    assert time.monotonic() < until
    time.sleep(0.1)
"""


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("models")
    environment = {**clean_environment(), "RETICENT_DIR": str(place / "root")}
    subprocess.run([sys.executable, "-c", MODELS], env=environment, check=True, cwd=place, timeout=120)
    return place / "root"


def published(root: Path, run: str, path: str) -> Path:
    return root / "runs" / run / "artifacts" / path


@pytest.fixture
def copy(root: Path, tmp_path: Path) -> Path:
    """A model of a test's own, out of its run."""
    return Path(shutil.copytree(published(root, "aaaa0001", "linear"), tmp_path / "copied"))


def test_the_models_of_all_runs_are_listed_newest_first(command: Command) -> None:
    done = command("models", "list")
    assert done.code == 0
    rows = [line.split() for line in done.out.splitlines()[1:]]
    assert {row[0]: (row[1], row[4]) for row in rows} == {
        "runs:/bbbb0001/bare": ("sklearn", "loaded"),
        "runs:/bbbb0001/lambda": ("sklearn", "equal"),
        "runs:/aaaa0001/deep/trees": ("xgboost", "equal"),
        "runs:/aaaa0001/linear": ("sklearn", "equal"),
    }
    assert "safe [red]x[/]" in done.out
    times = [one["time"] for one in json.loads(command("models", "list", "--json").out)]
    assert times == sorted(times, reverse=True)


def test_as_json_and_of_one_experiment(command: Command) -> None:
    listed = json.loads(command("models", "list", "--experiment", "churn", "--json").out)
    assert {one["uri"] for one in listed} == {"runs:/aaaa0001/deep/trees", "runs:/aaaa0001/linear"}
    assert listed[0]["tried"] == {"outcome": "equal", "detail": ""}
    assert listed[0]["size"] > 1000
    assert json.loads(command("models", "list", "-e", "empty", "--json").out) == []
    assert "No run has a model" in command("models", "list", "-e", "empty").out


def test_a_model_is_shown(command: Command) -> None:
    done = command("models", "show", "runs:/aaaa/linear")
    assert done.code == 0
    for text in ("sklearn (loads it here), python_function", "nothing: safe to open", "safe [red]x[/]", "equal"):
        assert text in done.out
    lines = [line.split() for line in done.out.splitlines()]
    assert ["takes", "a", "long"] in lines
    assert ["b", "double"] in lines
    assert ["gives", "int64", "[any]"] in lines
    assert any(line[:1] == ["model.skops"] and line[-2:] == ["as", "published"] for line in lines)
    assert any(line and line[0].startswith("scikit-learn==") for line in lines)
    shown = json.loads(command("models", "show", "runs:/aaaa/linear", "--json").out)
    assert shown["imports"] == []
    assert {file["state"] for file in shown["files"]} == {"as published"}
    assert [spec["name"] for spec in shown["signature"]["inputs"]] == ["a", "b"]


def test_what_loading_would_import_is_shown_and_asks_for_trust(command: Command) -> None:
    shown = command("models", "show", "runs:/bbbb/lambda")
    assert "safe to open" not in shown.out
    assert "cloudpickle" in shown.out
    for name in ("load", "verify"):
        refused = command("models", name, "runs:/bbbb/lambda")
        assert refused.code == 1
        assert len(refused.err.splitlines()) == 1
        assert "trust" in refused.err
        assert "cloudpickle" in refused.err
        assert command("models", name, "runs:/bbbb/lambda", "--trust").code == 0


def test_changed_missing_and_further_files_are_shown(command: Command, copy: Path) -> None:
    (copy / "model.skops").write_bytes(b"changed")
    (copy / "conda.yaml").unlink()
    (copy / "more.txt").write_text("x")
    states = {
        file["path"]: file["state"] for file in json.loads(command("models", "show", str(copy), "--json").out)["files"]
    }
    assert (states["model.skops"], states["conda.yaml"], states["more.txt"]) == ("changed", "missing", "no checksum")
    done = command("models", "verify", str(copy), "--trust")
    assert done.code == 1
    assert done.out.splitlines() == [
        "✗ model.skops is changed",
        "✗ conda.yaml is missing",
        "✗ more.txt is not among the files that were published: MLmodel does not list it",
    ]


def test_a_model_that_is_sound_is_verified_step_by_step(command: Command) -> None:
    done = command("models", "verify", "runs:/aaaa/deep/trees")
    assert done.code == 0
    assert [line[0] for line in done.out.splitlines()] == ["✓"] * 6
    assert "checksums" in done.out
    assert "the run's log" in done.out
    assert "predicts its input example" in done.out
    bare = command("models", "verify", "runs:/bbbb/bare")
    assert bare.code == 0
    assert "· it has no input example" in bare.out


def test_a_model_that_does_not_load_or_predict_fails(command: Command, copy: Path) -> None:
    listed = (copy / "MLmodel").read_text()
    (copy / "MLmodel").write_text(listed[: listed.index("metadata:")] + listed[listed.index("model_size_bytes") :])
    (copy / "input_example.json").write_text('{"columns": ["a", "b"], "data": [["x", "y"]]}')
    done = command("models", "verify", str(copy))
    assert done.code == 1
    assert "▲ the model lists no checksums" in done.out
    assert "✗ it does not predict its input example" in done.out
    (copy / "model.skops").write_bytes(b"no model")
    done = command("models", "verify", str(copy))
    assert done.code == 1
    assert "Traceback" not in done.out + done.err


@pytest.mark.parametrize("kind", ["csv", "json", "records", "npy", "parquet"])
def test_a_file_is_predicted(command: Command, tmp_path: Path, kind: str) -> None:
    import pandas as pd

    frame = pd.DataFrame({"a": [1, 39], "b": [0.1, 6.0]})
    uri, path = "runs:/aaaa/linear", tmp_path / f"data.{'json' if kind == 'records' else kind}"
    if kind == "csv":
        frame.to_csv(path, index=False)
    elif kind == "json":
        path.write_text(json.dumps({"dataframe_split": frame.to_dict("split")}))
    elif kind == "records":
        path.write_text(json.dumps(frame.to_dict("records")))
    elif kind == "npy":
        uri = "runs:/bbbb/bare"
        np.save(path, frame.to_numpy())
    else:
        frame.to_parquet(path)
    done = command("models", "load", uri, "--input", str(path))
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out) == {"predictions": [0, 1]}
    output = tmp_path / "out.json"
    assert command("models", "load", uri, "-i", str(path), "-o", str(output)).out == ""
    assert json.loads(output.read_text()) == {"predictions": [0, 1]}


def test_without_a_file_the_example_is_predicted_or_it_is_said_what_was_loaded(command: Command) -> None:
    assert json.loads(command("models", "load", "runs:/aaaa/linear").out) == {"predictions": [0] * 5}
    said = command("models", "load", "runs:/bbbb/bare").out
    assert "LogisticRegression" in said
    assert "--input" in said


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["show", "runs:/nope/model"], "no run"),
        (["show", "runs:/aaaa/nope"], "no model at"),
        (["show", "models:/nope/1"], "nope"),
        (["verify", "/nowhere"], "no model at"),
        (["load", "runs:/aaaa/../x"], "names no model"),
        (["load", "runs:/aaaa/linear", "-i", "/nowhere.csv"], "/nowhere.csv"),
        (["load", "runs:/aaaa/linear", "-i", "/nowhere.pkl"], "must end with"),
        (["load", "runs:/aaaa/linear", "-o", "{tmp}/at/all.json"], "no such directory"),
        (["load", "runs:/bbbb/bare", "-o", "x.json"], "--input"),
        (["convert", "runs:/nope/model", "{tmp}/o", "--to", "onnx"], ""),
    ],
)
def test_what_cannot_be_is_told_in_one_line(command: Command, tmp_path: Path, arguments: list[str], told: str) -> None:
    done = command("models", *[argument.format(tmp=tmp_path) for argument in arguments])
    assert done.code == 1
    assert done.out == ""
    assert len(done.err.splitlines()) == 1
    assert told in done.err


def test_a_trial_counts_for_the_newest_model_of_its_name_alone(command: Command, tmp_path: Path) -> None:
    from sklearn.linear_model import LogisticRegression

    def tried() -> set[str]:
        shown = command("show", "tried001", root=tmp_path / "root").out
        listed = command("models", "list", root=tmp_path / "root").out
        facts = command("models", "show", "runs:/tried001/m", root=tmp_path / "root").out
        rows = [line.split() for line in (shown + listed).splitlines()]
        models = [row for row in rows if row[:1] in (["m"], ["runs:/tried001/m"])]
        assert len(models) == 2
        fact = next(line.split() for line in facts.splitlines() if "tried " in line)
        return {models[0][-1], models[1][4], fact[2]}

    model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    with isolated(tmp_path / "root"), reticent.start_run(run_id="tried001") as run:
        run.log_model(model, "m")
        assert reticent.flush(30)
        seal = current().seal
        path, detail = seal("artifact", "m"), seal("warning", "")
        run._recorder.append(ModelTried(time=time.time(), path=path, outcome="equal", detail=detail))
    assert tried() == {"equal"}
    with isolated(tmp_path / "root"), reticent.start_run(run_id="tried001") as run:
        run.log_model(model, "m")
    assert tried() == {"no"}


KILLED = """
import os, signal, threading
import numpy as np, xgboost
import reticent
from reticent.sessions import current

run = reticent.start_run(run_id="killed01")
X = np.arange(40.0).reshape(20, 2)
current().background.submit("held", threading.Event().wait, lambda *_: None)
run.log_model(xgboost.XGBClassifier(n_estimators=2).fit(X, X[:, 0] > 20), "m", input_example=X)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("name", ["load", "show", "verify"])
def test_what_a_killed_process_left_is_found(command: Command, tmp_path: Path, name: str) -> None:
    environment = {**clean_environment(), "RETICENT_DIR": str(tmp_path / "root")}
    done = subprocess.run([sys.executable, "-c", KILLED], env=environment, timeout=60, cwd=tmp_path, check=False)
    assert done.returncode == -signal.SIGKILL
    found = command("models", name, "runs:/killed01/m", root=tmp_path / "root")
    assert (found.code, found.err) == (0, "")


def test_a_long_list_of_imports_is_wrapped(command: Command) -> None:
    shown = command("models", "show", "runs:/bbbb/lambda").out
    assert max(map(len, shown.splitlines())) < 110
    assert "FunctionTransformer" in shown


def test_data_that_does_not_suit_is_told(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a\n1\n")
    done = command("models", "load", "runs:/aaaa/linear", "-i", str(path))
    assert done.code == 1
    assert "'b'" in done.err
    path.write_text("a,b\n1,x\n")
    assert "'b'" in command("models", "load", "runs:/aaaa/linear", "-i", str(path)).err
    path = tmp_path / "x.npy"
    np.save(path, np.array([{"a": 1}]), allow_pickle=True)
    assert "cannot be read" in command("models", "load", "runs:/aaaa/linear", "-i", str(path)).err  # it is a pickle


def test_a_model_becomes_an_onnx_model_that_is_complete(command: Command, tmp_path: Path) -> None:
    output = tmp_path / "new" / "model"
    done = command("models", "convert", "runs:/aaaa/linear", str(output), "--to", "onnx")
    assert (done.code, done.err) == (0, "")
    shown = json.loads(command("models", "show", str(output), "--json").out)
    assert shown["flavor"] == "onnx"
    assert shown["run_id"] == "aaaa0001"
    assert {file["state"] for file in shown["files"]} == {"as published"}
    assert {"model.onnx", "input_example.json", "serving_input_example.json", "conda.yaml"} <= {
        file["path"] for file in shown["files"]
    }
    assert [spec["name"] for spec in shown["signature"]["inputs"]] == ["a", "b"]
    assert (
        shown["signature"]["outputs"]
        == json.loads(command("models", "show", "runs:/aaaa/linear", "--json").out)["signature"]["outputs"]
    )
    assert any(line.startswith("onnx==") for line in shown["requirements"])
    again = command("models", "convert", "runs:/aaaa/linear", str(output), "--to", "onnx")
    assert again.code == 1
    assert "exists already" in again.err


def test_mlflow_loads_the_converted_model_which_predicts_the_same(command: Command, tmp_path: Path) -> None:
    import mlflow.onnx
    import onnxruntime

    output = tmp_path / "model"
    assert command("models", "convert", "runs:/aaaa/linear", str(output), "--to", "onnx").code == 0
    session = onnxruntime.InferenceSession(mlflow.onnx.load_model(str(output)).SerializeToString())
    (taken,) = session.get_inputs()
    (labels,) = session.run(None, {taken.name: np.array([[1, 0.1], [39, 6.0]], "float32")})
    assert labels.tolist() == [0, 1]
    described = mlflow.models.Model.load(str(output))
    assert described.signature.inputs.input_names() == ["a", "b"]
    assert len(described.load_input_example(str(output))) == 5


def test_what_cannot_be_converted_leaves_nothing(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "model"

    def convert(uri: str, *more: str) -> str:
        done = command("models", "convert", uri, str(output), "--to", "onnx", *more)
        assert done.code == 1
        assert len(done.err.splitlines()) == 1
        assert not output.exists()
        return done.err

    assert "trust" in convert("runs:/bbbb/lambda")
    assert "input_example=" in convert("runs:/bbbb/bare")
    assert "cannot be converted" in convert("runs:/bbbb/lambda", "--trust")
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    assert "skl2onnx" in convert("runs:/aaaa/linear")
    monkeypatch.setattr(flavors, "_flavors", {})
    monkeypatch.setattr(flavors, "_points", dict)
    assert "pip install" in convert("runs:/aaaa/linear")
    assert command("models", "convert", "runs:/aaaa/linear", str(output), "--to", "pmml").code == 2
