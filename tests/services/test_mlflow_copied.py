"""A run log that is copied to another machine is delivered from there, whole and once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from reticent import records
from reticent.runlog import RunReader

from .diff import Log, Server, differences
from .faults import FaultyProxy
from .servers import free_port

TRAINING = """
    import os, signal, sys, time
    import numpy, reticent
    from reticent.sessions import current
    from sklearn.linear_model import LogisticRegression

    X, y = numpy.arange(20.0).reshape(10, 2), numpy.arange(10) % 2
    with reticent.start_run("afar", run_id=sys.argv[1], experiment="copied", tags={"team": "fruit"}) as run:
        run.log_params({"lr": 0.1, "long": "x" * 7000})
        run.log_dataset("table", "train", digest="d", source="s", schema={}, profile={})
        for step in range(3000):
            run.log_metric("loss", 1 / (step + 1), step)
        run.log_text("some text", "notes/a.txt")
        run.log_artifact(__file__, "code")
        run.log_model(LogisticRegression().fit(X, y), "model", input_example=X)
        assert current().work_done(time.monotonic() + 120)  # all is sealed; nothing can be delivered
        if sys.argv[2] == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("ends", "status"), [("orderly", "FINISHED"), ("killed", "CRASHED")])
def test_a_run_of_another_machine(ends: str, status: str, tmp_path: Path, mlflow_url: str) -> None:
    run_id = os.urandom(16).hex()
    there, here = tmp_path / "there", tmp_path / "here"
    (tmp_path / "train.py").write_text(textwrap.dedent(TRAINING))
    trained = on(there, f"mlflow+http://127.0.0.1:{free_port()}", str(tmp_path / "train.py"), run_id, ends)
    assert trained.returncode == (0 if ends == "orderly" else -9), trained.stderr
    shutil.copytree(there / "root" / "runs" / run_id, here / "root" / "runs" / run_id)
    shutil.rmtree(there)
    with FaultyProxy(mlflow_url) as proxy:
        synced = on(here, "sqlite", "-m", "reticent.cli", "sync", "--to", f"mlflow+{proxy.url}")
        assert synced.returncode == 0, synced.stdout + synced.stderr
        assert differences(here / "root", run_id, mlflow_url) == []
        log = Log(here / "root", run_id)
        assert log.status == status
        assert log.models == ["model"]
        assert {"notes/a.txt", "code/train.py", "model/MLmodel"} <= log.artifacts.keys()
        (run,) = Server(mlflow_url).runs(run_id)
        assert len(run["outputs"]["model_outputs"]) == 1
        assert not any(isinstance(one, records.Withheld) for one in entries(here / "root" / "runs" / run_id))
        proxy.requests.clear()
        again = on(here, "sqlite", "-m", "reticent.cli", "sync", "--to", f"mlflow+{proxy.url}")
        assert again.returncode == 0, again.stdout + again.stderr
        assert [one.method for one in proxy.requests] == ["GET"], "it only asks which server this is"


def entries(directory: Path) -> list[object]:
    return [one.record for one in RunReader(directory).read(10_000, 10_000)[0]]


def on(machine: Path, backend: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A program with a home and a root of its own."""
    environment = {
        **os.environ,
        "HOME": str(machine / "home"),
        "RETICENT_DIR": str(machine / "root"),
        "RETICENT_BACKENDS": backend,
        "RETICENT_EXIT_TIMEOUT_S": "1",
        "RETICENT_CAPTURE": '{"git": false, "system_s": 0}',
    }
    (machine / "home").mkdir(parents=True, exist_ok=True)
    return subprocess.run(
        [sys.executable, *arguments], env=environment, cwd=machine, capture_output=True, text=True, timeout=240
    )
