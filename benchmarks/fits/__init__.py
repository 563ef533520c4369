"""What does autologging add to a fit on the training thread, from the second fit on?

Bare and autologged fits of the same data in one process, interleaved; metrics, curves, data sets and saved model included.
What is done in the background (pictures, sealing) is waited for between the fits, so that it burdens none of them. One
thread each for BLAS and OpenMP: with more, the times of the bare fits vary by more than what is added.

MLflow's autologging is measured the same way in processes of its own, as it patches the same functions, with a local SQLite
database. A framework that is not installed is left out, and MLflow where it is not, or has no integration.

`python -m benchmarks.fits.child lightgbm reticent 5` measures one of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

FRAMEWORKS = (
    "sklearn",
    "xgboost",
    "lightgbm",
    "catboost",
    "statsmodels",
    "keras",
    "lightning",
    "transformers",
    "torch",
)
REPEATS = {"reticent": 15, "mlflow": 5}
"""MLflow's take seconds."""


def measure() -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for framework in FRAMEWORKS:
        module = import_module(f"benchmarks.fits.{framework}")
        loggers = ["reticent", *(["mlflow"] if module.MLFLOW and find_spec("mlflow") else [])]
        if find_spec(framework):
            rows += [row for logger in loggers if (row := _row(framework, logger))]
    return rows


def _row(framework: str, logger: str) -> dict[str, object] | None:
    """What a process of its own has measured; None if the other logger fails there, as it may without TensorBoard."""
    print(f"{framework}, {logger}...", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as place:
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "TOKENIZERS_PARALLELISM": "false", "CUDA_VISIBLE_DEVICES": ""}
        threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1"}
        path = os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])])
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.fits.child", framework, logger, str(REPEATS[logger])],
            env={**os.environ, **quiet, **threads, "PYTHONPATH": path, "RETICENT_DIR": f"{place}/root"},
            cwd=place,
            capture_output=True,
            text=True,
        )
    if done.returncode and logger == "reticent":
        raise RuntimeError(f"{framework}:\n{done.stderr}")
    if done.returncode:
        print(f"left out: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    row: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return row
