"""PostgreSQL restarted under an MLflow server while runs are delivered to it: in the end all is there, once."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .diff import differences
from .faults import FaultyProxy
from .servers import Postgres, is_installed, mlflow_server, postgres

RUNS = 4
EXIT_S = 5
TRAINING = """
    import itertools, os, sys, threading, time, reticent

    def train(run):
        run.log_params({f"p{number}": number for number in range(20)})
        for step in itertools.count():
            if os.path.exists(sys.argv[1]):
                break
            run.log_metric("loss", 1 / (step + 1), step)
            if step % 200 == 0:
                run.log_param(f"at {step}", step)
                run.set_tag("step", step)
                run.log_text(f"text {step}", f"notes/{step}.txt")
            time.sleep(0.005)
        run.end()

    runs = [reticent.start_run(run_id=run_id, experiment="restarts", nested=False) for run_id in sys.argv[2:]]
    threads = [threading.Thread(target=train, args=(run,)) for run in runs]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    sys.exit(3)
"""


@pytest.fixture(scope="module")
def store() -> Iterator[Postgres]:
    """A database of these tests' own: others are not to lose theirs."""
    if not is_installed("initdb"):
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    with postgres() as server:
        yield server


def test_a_database_that_is_restarted_under_load(store: Postgres, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(textwrap.dedent(TRAINING))
    run_ids = [os.urandom(16).hex() for _ in range(RUNS)]
    root, enough = tmp_path / "root", tmp_path / "enough"
    with mlflow_server(tmp_path / "server", store.url) as server, FaultyProxy(server.url) as proxy:
        environment = {
            **os.environ,
            "RETICENT_DIR": str(root),
            "RETICENT_BACKENDS": f"mlflow+{proxy.url}",
            "RETICENT_EXIT_TIMEOUT_S": str(EXIT_S),
            "RETICENT_DELIVER_S": "0.05",
            "RETICENT_CAPTURE": '{"git": false, "system_s": 0}',
        }
        processes = [
            subprocess.Popen(
                [sys.executable, str(script), str(enough), *ids], stderr=subprocess.PIPE, text=True, env=environment
            )
            for ids in (run_ids[: RUNS // 2], run_ids[RUNS // 2 :])
        ]
        try:
            for _ in range(3):
                until_asked(proxy, "/runs/log-batch", 12)
                store.stop()
                until_asked(proxy, "", 3)  # what is under way, and deliveries that begin without a database
                store.start()
            until_asked(proxy, "/runs/log-batch", 1)
            enough.touch()
            for one in processes:
                _, errors = one.communicate(timeout=120)
                assert one.returncode == 3, errors
                assert "Traceback" not in errors, errors
        finally:
            for one in processes:
                one.kill()
                one.communicate()
        synced = subprocess.run(
            [sys.executable, "-m", "reticent.cli", "sync"], capture_output=True, text=True, timeout=240, env=environment
        )
        assert synced.returncode == 0, synced.stdout + synced.stderr
        assert {run_id: differences(root, run_id, server.url) for run_id in run_ids} == {one: [] for one in run_ids}


def until_asked(proxy: FaultyProxy, path: str, more: int) -> None:
    """Until the server has got so many more requests of this kind."""
    wanted, deadline = proxy.seen(path) + more, time.monotonic() + 60
    while proxy.seen(path) < wanted:
        assert time.monotonic() < deadline, f"{proxy.seen(path)} of {wanted} requests to {path!r}"
        time.sleep(0.01)
