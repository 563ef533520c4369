"""An alias that a user sets here means the same model on an MLflow server, as MLflow's own client reads it."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient
from sklearn.linear_model import LogisticRegression

import reticent
from reticent import records, settings
from reticent.registry import register_model, set_alias
from reticent.testing.batches import START, alias, model, sealed

from .faults import Fault, FaultyProxy, lost_answer, reset, status
from .test_mlflow_artifacts import of, opened

ROWS = np.arange(8.0).reshape(4, 2)
CLASSES = [0, 0, 1, 1]


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return f"m-{hashlib.md5(request.node.nodeid.encode() + os.urandom(8)).hexdigest()}"


@pytest.fixture
def proxy(mlflow_url: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    """What this process delivers to: the server, behind something that fails as it is told to."""
    with FaultyProxy(mlflow_url) as proxy:
        monkeypatch.setenv("RETICENT_BACKENDS", f"mlflow+{proxy.url}")
        settings.reset()
        yield proxy


def trained(name: str | None) -> str:
    """The id of a run with a model, "model"."""
    with reticent.start_run() as run:
        run.log_model(LogisticRegression().fit(ROWS, CLASSES), "model", registered_model_name=name)
    assert reticent.flush(120)
    return run.run_id


def meant(url: str, name: str, alias: str) -> tuple[str, str]:
    """The version that an alias means on the server, and the id here of its run."""
    client = MlflowClient(url)
    version = client.get_model_version_by_alias(name, alias)
    run = client.get_run(str(version.run_id))
    return str(version.version), run.data.tags["reticent.run_id"]


def test_it_means_the_servers_own_version_and_moves(proxy: FaultyProxy, mlflow_url: str, name: str) -> None:
    client = MlflowClient(mlflow_url)
    client.create_registered_model(name)
    run = client.create_run("0").info  # somebody else's, so that the numbers differ
    client.create_model_version(name, f"{run.artifact_uri}/model", run.run_id)
    first, second = trained(name), trained(name)
    set_alias(name, "champion", 1)
    set_alias(name, "other", 1)
    assert reticent.flush(60)
    assert meant(mlflow_url, name, "champion") == ("2", first)
    set_alias(name, "champion", 2)
    assert reticent.flush(60)
    assert meant(mlflow_url, name, "champion") == ("3", second)
    assert meant(mlflow_url, name, "other") == ("2", first)
    mlflow.set_tracking_uri(mlflow_url)
    try:
        assert mlflow.pyfunc.load_model(f"models:/{name}@champion").predict(ROWS).tolist() == CLASSES
    finally:
        mlflow.set_tracking_uri(None)
    assert reticent.load_model(f"models:/{name}@champion").predict(ROWS).tolist() == CLASSES


def test_runs_that_come_again_move_nothing(proxy: FaultyProxy, mlflow_url: str, root: Path, name: str) -> None:
    first, second = trained(name), trained(name)
    set_alias(name, "champion", 2)
    set_alias(name, "champion", 1)
    set_alias(name, "moved-there", 1)
    assert reticent.flush(60)
    MlflowClient(mlflow_url).set_registered_model_alias(name, "moved-there", "2")
    for _ in range(2):
        shutil.rmtree(root / "delivery")
        assert not any(one.error for one in reticent.sync().values())
        assert meant(mlflow_url, name, "champion") == ("1", first)
        assert meant(mlflow_url, name, "moved-there") == ("2", second)


def test_what_is_set_while_the_server_is_dead_comes_later(proxy: FaultyProxy, mlflow_url: str, name: str) -> None:
    """The last that was set holds, whichever run's records come first."""
    first, second = trained(name), trained(name)
    proxy.down()
    for version in (2, 1, 2):
        set_alias(name, "a", version)
    for version in (1, 2, 1):
        set_alias(name, "b", version)
    assert not reticent.flush(1)
    proxy.up()
    assert not any(one.error for one in reticent.sync().values())
    assert meant(mlflow_url, name, "a") == ("2", second)
    assert meant(mlflow_url, name, "b") == ("1", first)


@pytest.mark.parametrize("fault", [lost_answer, reset, status(503)])
@pytest.mark.parametrize("endpoint", ["registered-models/alias", "registered-models/set-tag"])
def test_after_an_unclear_answer_it_is_set_all_the_same(
    proxy: FaultyProxy,
    mlflow_url: str,
    name: str,
    fault: Fault,
    endpoint: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run_id = trained(name)
    proxy.fails(fault, path=endpoint, times=1)
    set_alias(name, "champion", 1)
    assert reticent.flush(60)
    assert meant(mlflow_url, name, "champion") == ("1", run_id)
    assert "backend mlflow does not take records now" in caplog.text


def test_a_model_that_was_registered_here_alone_is_a_version_there_then(
    proxy: FaultyProxy, mlflow_url: str, name: str
) -> None:
    run_id = trained(None)
    register_model(f"runs:/{run_id}/model", name)
    set_alias(name, "champion", 1)
    assert reticent.flush(60)
    assert meant(mlflow_url, name, "champion") == ("1", run_id)


def test_an_alias_that_the_server_refuses_is_counted(proxy: FaultyProxy, mlflow_url: str, name: str) -> None:
    run_id = trained(name)
    set_alias(name, "v1", 1)  # MLflow takes it for a version
    set_alias(name, "fine", 1)
    assert reticent.flush(60)
    assert meant(mlflow_url, name, "fine") == ("1", run_id)
    (delivery,) = [one for one in reticent.get_run(run_id).deliveries() if one.backend == "mlflow"]
    assert delivery.rejected == 1
    assert delivery.error is not None
    assert f"the alias 'v1' of '{name}': it is not set" in delivery.error


def test_one_whose_model_does_not_come_is_counted(mlflow_url: str, tmp_path: Path, name: str) -> None:
    """Withheld from this server by its own policy, before or after the alias; removed; never there."""
    run_id = name.removeprefix("m-")
    described, file = model(tmp_path, "model", name)
    withheld = records.Withheld(time=START, path=sealed("model/MLmodel"), rule="unscanned")
    gone = records.ArtifactRemoved(time=START, path=sealed("model"))
    one, absent = alias(name, "champion", "model"), alias(name, "champion", "nowhere")
    for told in ([withheld, one], [one, withheld], [one, gone], [absent], [described, one, withheld, file, one]):
        with opened(mlflow_url, tmp_path) as backend:
            rejections = list(backend.write(of(run_id, tmp_path, *told)))
        assert [(one.count, one.reason) for one in rejections] == [
            (1, f"the alias 'champion' of '{name}': the model is not there")
        ], told
    assert meant(mlflow_url, name, "champion")[1] == run_id, "the last one, whose model came after all"
