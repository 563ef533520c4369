"""A training whose MLflow server cannot be spoken to ends by its deadline, with its own exit code."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from reticent.runlog import RunReader

from .faults import FaultyProxy, hang, slow, status
from .servers import free_port

EXIT_S = 2
TRAINING = """
import sys, time, reticent
with reticent.start_run(run_id="trained"):
    for step in range(2000):
        reticent.log_metric("loss", 1 / (step + 1), step=step)
    reticent.log_text("some text", "notes/a.txt")
print("trained", flush=True)
sys.exit(3)
"""
FAULTS = {"hangs": hang, "500": status(500), "429": status(429, {"Retry-After": "60"}), "1 byte/s": slow(1)}
NO_SERVER = ["nobody listens", "half-open", "no such host"]


@pytest.fixture
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    with ExitStack() as stack:
        if request.param in FAULTS:
            proxy = stack.enter_context(FaultyProxy(str(request.getfixturevalue("mlflow_url"))))
            proxy.fails(FAULTS[request.param])
            yield proxy.url
        elif request.param == "half-open":  # it takes connections, and never reads
            yield f"http://127.0.0.1:{stack.enter_context(socket.create_server(('127.0.0.1', 0))).getsockname()[1]}"
        elif request.param == "no such host":
            yield "http://tracking.invalid:5000"
        else:
            yield f"http://127.0.0.1:{free_port()}"


@pytest.mark.parametrize("url", [*FAULTS, *NO_SERVER], indirect=True)
def test_it_ends_in_time_and_as_without_us(url: str, tmp_path: Path) -> None:
    environment = {
        "RETICENT_DIR": str(tmp_path),
        "RETICENT_BACKENDS": f"mlflow+{url}",
        "RETICENT_EXIT_TIMEOUT_S": str(EXIT_S),
    }
    training = subprocess.Popen(
        [sys.executable, "-c", TRAINING],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert training.stdout is not None
        assert training.stdout.readline() == "trained\n"
        began = time.monotonic()
        _, errors = training.communicate(timeout=120)
        assert time.monotonic() - began < EXIT_S + 5 + 5, "the deadline, what is in hand, and a busy machine"
        assert training.returncode == 3
        assert "Traceback" not in errors, errors
        assert "not all delivered in time to mlflow" in errors
        points = [point.step for block in RunReader(tmp_path / "runs" / "trained").read()[1] for point in block]
        assert points == list(range(2000))
    finally:
        training.kill()
        training.communicate()
