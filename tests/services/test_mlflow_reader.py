"""MLflow's own client reads an autologged training as one of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import mlflow
import pytest

from .diff import Log, differences

TRAINING = """
    import json, reticent
    reticent.autolog()
    import numpy as np, pandas as pd
    from sklearn.linear_model import SGDClassifier
    from sklearn.model_selection import GridSearchCV

    table = pd.DataFrame(np.random.default_rng(0).normal(size=(120, 3)), columns=["a", "b", "c"])
    labels = (table["a"] > 0).astype(int)
    with reticent.start_run("first", experiment="read back", run_id="{run_id}") as run:
        model = SGDClassifier(alpha=0.01, random_state=0).fit(table, labels)
        for step in range(2000):
            reticent.log_metric("loss", 1 / (step + 1), step=step)
        reticent.log_metric("recall@5", 0.5, step=0)
        reticent.log_text("some text", "notes/deep/a.txt")
        reticent.set_tag("team", "fruit")
    with open("predicted.json", "w") as file:
        json.dump(model.predict(table).tolist(), file)
    table.to_json("table.json")
"""


def train(directory: Path, url: str, code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    script = directory / "train.py"
    script.write_text(textwrap.dedent(code))
    return subprocess.run(
        [sys.executable, str(script)],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=240,
        env={
            **os.environ,
            "RETICENT_DIR": str(directory / "root"),
            "RETICENT_BACKENDS": f"mlflow+{url}",
            "RETICENT_EXIT_TIMEOUT_S": "120",
            **environment,
        },
    )


@pytest.fixture(scope="module")
def trained(mlflow_url: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Where a training ran, and the id of its run."""
    directory = tmp_path_factory.mktemp("trained")
    run_id = os.urandom(16).hex()
    done = train(directory, mlflow_url, TRAINING.replace("{run_id}", run_id))
    assert done.returncode == 0, done.stderr
    return directory, run_id


@pytest.fixture
def client(mlflow_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_url)
    mlflow.set_tracking_uri(mlflow_url)
    yield mlflow.MlflowClient(mlflow_url)
    mlflow.set_tracking_uri(None)


def found(client: Any, run_id: str) -> Any:
    experiment = client.get_experiment_by_name("read back")
    (run,) = client.search_runs([experiment.experiment_id], f"tags.`reticent.run_id` = '{run_id}'")
    return run


def test_nothing_is_lost_and_nothing_twice(trained: tuple[Path, str], mlflow_url: str) -> None:
    directory, run_id = trained
    assert differences(directory / "root", run_id, mlflow_url) == []


def test_a_run_as_mlflow_shows_it(trained: tuple[Path, str], client: Any) -> None:
    run = found(client, trained[1])
    assert (run.info.run_name, run.info.status) == ("first", "FINISHED")
    assert run.data.params["alpha"] == "0.01"
    assert run.data.tags["team"] == "fruit"
    assert {"mlflow.user", "mlflow.source.name", "mlflow.source.type"} <= run.data.tags.keys()
    assert not {"user", "source", "autologging", "git.commit"} & run.data.tags.keys()  # the page has them elsewhere
    assert run.info.end_time >= run.info.start_time > 0


def test_every_point_by_metric_history(trained: tuple[Path, str], client: Any) -> None:
    run = found(client, trained[1])
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [(one.step, one.value) for one in sorted(history, key=lambda one: one.step)] == [
        (step, 1 / (step + 1)) for step in range(2000)
    ]
    assert run.data.metrics["recall_at_5"] == 0.5


def test_artifacts_are_downloaded(trained: tuple[Path, str], client: Any, tmp_path: Path) -> None:
    run = found(client, trained[1])
    path = client.download_artifacts(run.info.run_id, "notes", str(tmp_path))
    assert (Path(path) / "deep" / "a.txt").read_text() == "some text"


def test_the_data_set_is_an_input(trained: tuple[Path, str], client: Any) -> None:
    run = found(client, trained[1])
    given = {one.dataset.name: one for one in run.inputs.dataset_inputs}
    assert given
    for one in given.values():
        source = mlflow.data.get_source(one.dataset)
        assert source is not None
        names = [column["name"] for column in json.loads(one.dataset.schema)["mlflow_colspec"]]
        assert {"a", "b", "c"} <= set(names)


def test_the_model_predicts_what_it_did(trained: tuple[Path, str], client: Any, tmp_path: Path) -> None:
    import pandas

    directory, run_id = trained
    run = found(client, run_id)
    (path,) = set(Log(directory / "root", run_id).models)
    (output,) = run.outputs.model_outputs
    table = pandas.read_json(directory / "table.json")
    predicted = json.loads((directory / "predicted.json").read_text())
    for uri in (f"runs:/{run.info.run_id}/{path}", f"models:/{output.model_id}"):
        assert mlflow.pyfunc.load_model(uri).predict(table).tolist() == predicted
    logged = client.get_logged_model(output.model_id)
    assert (logged.name, logged.status, logged.source_run_id) == (path, "READY", run.info.run_id)
    assert logged.params == run.data.params
    assert logged.tags["mlflow.source.name"] == run.data.tags["mlflow.source.name"]
    assert {one.key: one.value for one in logged.metrics} == {
        key: value for key, value in run.data.metrics.items() if not key.startswith("system/")
    }
    (trained_on,) = [one.dataset for one in run.inputs.dataset_inputs if one.tags[0].value == "train"]
    assert {one.key: one.dataset_digest for one in logged.metrics if one.dataset_name == trained_on.name} == {
        key: trained_on.digest for key in run.data.metrics if key.startswith("training_")
    }
