"""The real `mlflow models serve` answers with what we publish."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from sklearn.linear_model import LogisticRegression
from tests.unit.models.conftest import RunDirectory


def asked(url: str, body: bytes | None = None) -> bytes:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read()


def test_mlflow_models_serve(run: RunDirectory, data: Any, tmp_path: Path) -> None:
    X, y = data
    model = LogisticRegression().fit(X, y)
    run.log(model, input_example=X, signature_outputs=model.predict(X))
    path = run.path / "artifacts/model"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(path), "-p", str(port)]
    log = tmp_path / "log"
    with log.open("w") as errors:
        server = subprocess.Popen(
            [*command, "-h", "127.0.0.1", "--env-manager", "local"],
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,  # it starts a server of its own, which ends with it
            cwd=tmp_path,
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
        )
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                asked(f"http://127.0.0.1:{port}/ping")
                break
            except (urllib.error.URLError, ConnectionError):
                assert server.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.2)
        body = (path / "serving_input_example.json").read_bytes()
        answer = json.loads(asked(f"http://127.0.0.1:{port}/invocations", body))
    finally:
        os.killpg(server.pid, 15)
        server.wait(30)
    assert answer == {"predictions": model.predict(X.head()).tolist()}
