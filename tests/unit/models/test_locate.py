"""From a URI to a model: one that is still written, one of a process that was killed, and why there is none."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import fsspec
import pytest
from sklearn.linear_model import LogisticRegression

import reticent
from reticent import sessions
from reticent.errors import ReticentError
from reticent.models import load_model
from reticent.sessions import current

from .conftest import SECRET

KILLED = """
import os, signal, threading
import numpy as np, xgboost
import reticent
from reticent.sessions import current

run = reticent.start_run(run_id="killed01")
X = np.arange(40.0).reshape(20, 2)
current().background.submit("held", threading.Event().wait, lambda *_: None)
run.log_model(xgboost.XGBClassifier(n_estimators=2).fit(X, X[:, 0] > 20), "m")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def model(data: tuple[Any, Any]) -> LogisticRegression:
    return LogisticRegression().fit(*data)


def held_for(seconds: float) -> None:
    """Let this process's background work wait."""
    released = threading.Event()
    current().background.submit("held", lambda: released.wait(30) and None, lambda *_: None)
    threading.Timer(seconds, released.set).start()


@pytest.mark.usefixtures("root")
def test_a_model_that_is_still_written_is_waited_for(data: tuple[Any, Any], model: LogisticRegression) -> None:
    with reticent.start_run() as run:
        held_for(0.5)
        run.log_model(model, "m")
        uri = f"runs:/{run.run_id}/m"
        assert (load_model(uri, trust=True).coef_ == model.coef_).all()
        other = LogisticRegression(C=0.01).fit(*data)
        held_for(0.5)
        run.log_model(other, "m")
        assert (load_model(uri, trust=True).coef_ == other.coef_).all()


@pytest.mark.usefixtures("root")
def test_one_that_takes_too_long_is_told(model: LogisticRegression, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reticent.models.locate.WAIT_S", 0.05)
    with reticent.start_run() as run:
        held_for(0.5)
        run.log_model(model, "m")
        with pytest.raises(ReticentError, match="is not written yet"):
            load_model(f"runs:/{run.run_id}/m")
    assert sessions.current().flush(30)


@pytest.mark.usefixtures("root")
def test_a_model_of_a_killed_process_is_found(root: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "RETICENT_DIR": str(root)}
    done = subprocess.run([sys.executable, "-c", KILLED], env=environment, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (root / "runs/killed01/artifacts/m/MLmodel").exists()
    assert type(load_model("runs:/killed01/m")).__name__ == "XGBClassifier"


@pytest.mark.usefixtures("root")
def test_it_is_said_why_there_is_none(model: LogisticRegression) -> None:
    current().redactor.register(SECRET)
    with reticent.start_run() as run:
        with pytest.raises(ReticentError, match="the run has no models"):
            load_model(f"runs:/{run.run_id}/m")
        run.log_model(model, "deep/one")
        run.log_model(model, "two")
        with pytest.raises(ReticentError, match=r"no model at .*: the run has the models: deep/one, two"):
            load_model(f"runs:/{run.run_id}/m")
        model.note_ = SECRET
        run.log_model(model, "spoiled")
        with pytest.raises(ReticentError, match=rf"is withheld, because a secret.*`reticent show {run.run_id}`"):
            load_model(f"runs:/{run.run_id}/spoiled")
    for given, meant in (
        (f"{run.run_id}/two", f"runs:/{run.run_id}/two"),
        (run.run_id, f"runs:/{run.run_id}/<name>"),
        (f"{run.run_id[:6]}/two", f"runs:/{run.run_id[:6]}/two"),
    ):
        with pytest.raises(ReticentError, match=meant):
            load_model(given)
    with pytest.raises(ReticentError) as told:
        load_model("no/such/directory")
    assert "runs:/" not in str(told.value)


def test_of_a_url_it_is_told_what_failed(model: LogisticRegression, run: Any) -> None:
    run.log(model)
    files = fsspec.filesystem("memory")
    files.put(str(run.path / "artifacts/model"), "/here/model", recursive=True)
    files.pipe("/here/other/file.txt", b"x")
    try:
        assert (load_model("memory://here/model", trust=True).coef_ == model.coef_).all()
        for url, why in (
            ("memory://here/nothing", "nothing is there"),
            ("memory://here/other", "no file MLmodel"),
            ("nosuch://x/y", "Protocol not known"),
        ):
            with pytest.raises(ReticentError, match=why) as told:
                load_model(url)
            assert url in str(told.value)
            assert "reticent-model-" not in str(told.value)
    finally:
        files.rm("/here", recursive=True)


def test_a_connection_that_fails_is_told() -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unheard.getsockname()[1]}/model"
        with pytest.raises(ReticentError, match="the connection failed") as told:
            load_model(url)
    assert url in str(told.value)
