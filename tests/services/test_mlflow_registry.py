"""A model that is logged for a registered model is one version of it, once, whatever happens."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import reticent
from reticent import records, settings
from reticent.backends import Mark, UnavailableError
from reticent.records import SealedRecord
from reticent.testing.batches import START, param, sealed

from .diff import Server
from .faults import Fault, FaultyProxy, lost_answer, reset, status
from .test_mlflow_artifacts import MLMODEL, artifact, of, opened, write


@pytest.fixture
def run_id(request: pytest.FixtureRequest) -> str:
    return hashlib.md5(request.node.nodeid.encode() + os.urandom(8)).hexdigest()


def entries(directory: Path, name: str, path: str = "model") -> list[SealedRecord]:
    """What a run log has of a model that is to be registered."""
    model = records.Model(
        time=START, path=sealed(path), flavor="x", mlmodel=sealed(MLMODEL), size=1, registered_name=sealed(name)
    )
    weights = artifact(directory, f"{path}/weights.bin", b"weights")
    return [weights, model, artifact(directory, f"{path}/MLmodel", MLMODEL.encode())]


def versions(url: str, name: str) -> list[dict[str, Any]]:
    found = Server(url).ask("GET", "mlflow/model-versions/search", params={"filter": f"name = '{name}'"})
    return list(found.get("model_versions", ()))


@pytest.mark.parametrize("path", ["model", "models/best.v1"])
@pytest.mark.parametrize("release", ["", "2.22.0"])
def test_it_is_one_version_however_often_it_comes(
    mlflow_url: str, tmp_path: Path, run_id: str, path: str, release: str
) -> None:
    """Also of a server without logged models, and of a name that those cannot have; and cut between any two records."""
    name = f"model of {run_id}"
    whole = of(run_id, tmp_path, *entries(tmp_path, name, path))
    with FaultyProxy(mlflow_url) as proxy:
        if release:
            proxy.fails(status(200, body=release.encode()), path="^/version")
        for cut in range(1, len(whole.entries)):
            mark = Mark()
            for part in (whole.entries[:cut], whole.entries[cut:]):
                with opened(proxy.url, tmp_path) as backend:
                    assert list(backend.write(dataclasses.replace(whole, entries=part, mark=mark))) == []
        assert list(write(proxy.url, whole)) == []
    (version,) = versions(mlflow_url, name)
    (run,) = Server(mlflow_url).runs(run_id)
    assert (version["version"], version["run_id"], version["status"]) == ("1", run["info"]["run_id"], "READY")
    if path == "model" and not release:
        (output,) = run["outputs"]["model_outputs"]
        assert version["source"] == f"models:/{output['model_id']}"
        logged = Server(mlflow_url).ask("GET", f"mlflow/logged-models/{output['model_id']}")["model"]["info"]
        (shown,) = [one["value"] for one in logged["tags"] if one["key"] == "mlflow.modelVersions"]
        assert json.loads(shown) == [{"name": name, "version": 1}]
    else:
        assert version["source"] == f"{run['info']['artifact_uri']}/{path}"


@pytest.mark.parametrize("fault", [lost_answer, reset, status(503)])
@pytest.mark.parametrize("endpoint", ["registered-models/create", "model-versions/create"])
def test_after_an_unclear_answer_it_is_asked_what_is_there(
    mlflow_url: str, tmp_path: Path, run_id: str, fault: Fault, endpoint: str
) -> None:
    name = f"model of {run_id}"
    whole = of(run_id, tmp_path, *entries(tmp_path, name))
    with FaultyProxy(mlflow_url) as proxy:
        proxy.fails(fault, path=endpoint)
        with pytest.raises(UnavailableError):
            write(proxy.url, whole)
        proxy.works()
        assert list(write(proxy.url, whole)) == []
    assert len(versions(mlflow_url, name)) == 1


@pytest.mark.parametrize("code", [400, 403, 404])
def test_a_registry_that_refuses_keeps_nothing_else_from_coming(
    mlflow_url: str, tmp_path: Path, run_id: str, code: int
) -> None:
    name = f"model of {run_id}"
    whole = of(run_id, tmp_path, *entries(tmp_path, name), param("lr", "0.1"))
    with FaultyProxy(mlflow_url) as proxy:
        proxy.fails(status(code), path="registered-models/create")
        (rejection,) = write(proxy.url, whole)
    assert "it is not registered" in rejection.reason
    (run,) = Server(mlflow_url).runs(run_id)
    assert {"key": "lr", "value": "0.1"} in run["data"]["params"]
    assert len(run["outputs"]["model_outputs"]) == 1
    assert versions(mlflow_url, name) == []


def test_two_models_of_a_run_are_two_versions(mlflow_url: str, tmp_path: Path, run_id: str) -> None:
    name = f"model of {run_id}"
    both = entries(tmp_path, name, "first") + entries(tmp_path, name, "second")
    for _ in range(2):
        assert list(write(mlflow_url, of(run_id, tmp_path, *both))) == []
    assert sorted(one["version"] for one in versions(mlflow_url, name)) == ["1", "2"]


def test_what_a_training_logs_is_loaded_by_its_registered_name(
    root: Path, mlflow_url: str, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETICENT_BACKENDS", f"sqlite,mlflow+{mlflow_url}")
    settings.reset()
    name = f"model-of-{run_id}"
    rows = np.arange(8.0).reshape(4, 2)
    for _ in range(2):
        with reticent.start_run("trained"):
            reticent.log_model(LogisticRegression().fit(rows, [0, 0, 1, 1]), registered_model_name=name)
    assert reticent.flush(120)
    assert sorted(one["version"] for one in versions(mlflow_url, name)) == ["1", "2"]
    mlflow.set_tracking_uri(mlflow_url)
    try:
        assert mlflow.pyfunc.load_model(f"models:/{name}/2").predict(rows).tolist() == [0, 0, 1, 1]
    finally:
        mlflow.set_tracking_uri(None)
    assert reticent.load_model(f"models:/{name}/1").predict(rows).tolist() == [0, 0, 1, 1]
    assert {model.registered_name for run in reticent.search_runs() for model in run.models()} == {name}
