"""What is sent to a server as a credential, and comes back in what it says, is hidden, wherever it was taken from."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import reticent
from reticent.backends import refuse_secrets
from reticent.errors import SettingsError
from reticent.testing import isolated

from .serving import says, serving

SECRET = "Zq9v8" + "Tr4Lm2Xw7"


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    with isolated(tmp_path / "root", backends="") as root:
        yield root


def everything_in(directory: Path) -> str:
    return "".join(path.read_bytes().decode("latin-1") for path in directory.rglob("*") if path.is_file())


def log() -> None:
    with reticent.start_run():
        reticent.log_metric("loss", 0.5, 0)
    assert reticent.flush(30)


def test_from_headers_of_a_collector(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse

    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", f"x-team={SECRET},authorization=Bearer%20{SECRET[::-1]}")
    answer = ExportMetricsServiceResponse()
    answer.partial_success.rejected_data_points = 1
    answer.partial_success.error_message = f"not for team {SECRET} with {SECRET[::-1]}"
    with serving(says(answer.SerializeToString())) as server:
        reticent.configure(backends=[f"otlp+{server.url}"])
        log()
    stored = everything_in(root)
    assert "not for team [REDACTED:known-secret] with [REDACTED:known-secret]" in stored
    assert SECRET not in stored
    assert SECRET[::-1] not in stored


def test_from_the_keyring(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keyring: Any = ModuleType("keyring")
    keyring.get_password = lambda _, name: SECRET if name == "MLFLOW_TRACKING_TOKEN" else None
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    told = json.dumps({"error_code": "TOO_MANY", "message": f"{SECRET} has asked too often"}).encode()
    log()
    with serving(says(told, 429)) as server:
        (result,) = reticent.sync([f"mlflow+{server.url}"]).values()
        assert f"Bearer {SECRET}" in server.got[0]
    assert result.error is not None
    assert "[REDACTED:known-secret] has asked too often" in result.error


def test_from_the_address_of_a_server(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = json.dumps({"error_code": "TOO_MANY", "message": f"{SECRET} has asked too often"}).encode()
    with serving(says(told, 429)) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url.replace("://", f"://me:{SECRET}@"))
        log()
        (result,) = reticent.sync(["mlflow"]).values()
        assert "Authorization: Basic" in server.got[0]
    assert result.error is not None
    assert "[REDACTED:known-secret] has asked too often" in result.error
    assert SECRET not in result.error


@pytest.mark.parametrize(
    "before", ["me:hunter2", "me:password", "me:${PASSWORD}", "tokenofmine", ":x", "us er:pw", "me:p@ss/../"]
)
@pytest.mark.parametrize("scheme", ["mlflow+https", "otlp+http", "wandb", "MLFLOW+HTTP"])
def test_no_url_holds_any(scheme: str, before: str) -> None:
    with pytest.raises(SettingsError, match="holds a password or a token") as refused:
        refuse_secrets(f"{scheme}://{before}@host:5000/path")
    assert before not in str(refused.value)


def test_a_path_may_have_an_at() -> None:
    refuse_secrets("jsonl:///home/me@work/a:b@c")
