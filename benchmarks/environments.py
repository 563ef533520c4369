"""Where peers are installed: in this environment, or in that of the trackers, whose packages do not go with the frameworks'.

`make bench` makes both. BENCH_TRACKERS_PYTHON names another Python than that of `.venv-trackers`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
QUIET = {
    "DO_NOT_TRACK": "1",
    "AIM_TRACKING_DISABLED": "1",
    "DVC_NO_ANALYTICS": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "WANDB_ERROR_REPORTING": "false",
    "HF_HUB_OFFLINE": "1",
}
FINDS = """
import json, sys
from importlib.util import find_spec
print(json.dumps([name for name in sys.argv[1:] if find_spec(name)]))
"""


def pythons() -> list[str]:
    beside = Path(sys.prefix).parent / ".venv-trackers/bin/python"
    other = os.environ.get("BENCH_TRACKERS_PYTHON", str(beside))
    return [sys.executable, *([other] if Path(other).exists() else [])]


def homes(packages: set[str]) -> dict[str, str]:
    """The Python that has each package; those that none has are not in it."""
    found: dict[str, str] = {}
    for python in reversed(pythons()):
        found |= dict.fromkeys(_installed(python, tuple(sorted(packages))), python)
    return found


@cache
def _installed(python: str, packages: tuple[str, ...]) -> list[str]:
    done = subprocess.run([python, "-c", FINDS, *packages], env=environment({}), capture_output=True, check=True)
    names: list[str] = json.loads(done.stdout)
    return names


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """Of a child: it finds `benchmarks` from wherever it runs, libraries take one thread each, nothing calls home.

    No setting of Reticent's holds in it that the user may have.
    """
    path = os.pathsep.join([str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])])
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    mine = {name: value for name, value in os.environ.items() if not name.startswith("RETICENT_")}
    return {**mine, "PYTHONPATH": path, **threads, **QUIET, **more}


def with_mlflow_tables(place: Path) -> None:
    """An empty store of MLflow's in `mlflow.db`: to make its tables takes seconds, once for each project."""
    (place / "mlflow.db").write_bytes(_mlflow_tables())


@cache
def _mlflow_tables() -> bytes:
    code = "from mlflow import MlflowClient; MlflowClient('sqlite:///mlflow.db').search_experiments()"
    with tempfile.TemporaryDirectory() as place:
        python = homes({"mlflow"})["mlflow"]
        subprocess.run([python, "-c", code], env=environment({}), cwd=place, capture_output=True, check=True)
        return Path(place, "mlflow.db").read_bytes()
