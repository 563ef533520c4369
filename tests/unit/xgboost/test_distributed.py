"""Several processes that train one model together are one run; and the interfaces of Dask and Spark are left alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import reticent
from reticent.testing import captured

WORKER = """
import sys, numpy, reticent, xgboost
from xgboost import collective

reticent.autolog()
with collective.CommunicatorContext(**{name: int(value) if value.isdigit() else value for name, value in
                                       (pair.split("=") for pair in sys.argv[1:])}):
    X = numpy.random.default_rng(collective.get_rank()).normal(size=(80, 4))
    data = xgboost.DMatrix(X, X[:, 0] > 0)
    xgboost.train({"objective": "binary:logistic", "nthread": 1}, data, 4, evals=[(data, "train")])
"""


def test_the_first_worker_logs(root: Path, tmp_path: Path) -> None:
    from xgboost.tracker import RabitTracker

    tracker = RabitTracker(host_ip="127.0.0.1", n_workers=2)
    tracker.start()
    told = [f"{name}={value}" for name, value in tracker.worker_args().items()]
    environment = {**os.environ, "RETICENT_DIR": str(tmp_path / "together")}
    command = [sys.executable, "-c", WORKER, *told]
    workers = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) for _ in range(2)]
    for worker in workers:
        _, errors = worker.communicate(timeout=120)
        assert worker.returncode == 0, errors.decode()
    (run,) = captured(tmp_path / "together")
    assert run.status == "FINISHED"
    assert [step for step, _ in run.metrics["train-logloss"]] == [0, 1, 2, 3]


@pytest.mark.parametrize("module", ["xgboost.dask", "xgboost.spark"])
def test_other_interfaces_are_untouched(root: Path, module: str) -> None:
    imported = pytest.importorskip(module, reason="Dask or Spark is not installed", exc_type=ImportError)
    own = {name: value for name, value in vars(imported).items() if getattr(value, "__module__", "") == module}
    reticent.autolog(sklearn=False)
    assert {name: vars(imported)[name] for name in own} == own
