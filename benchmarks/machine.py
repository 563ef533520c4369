"""The machine and the versions that a figure was measured on."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

import psutil

# fmt: off
PACKAGES = (
    "reticent", "catboost", "keras", "lightgbm", "lightning", "mlflow", "mlflow-skinny", "scikit-learn",
    "statsmodels", "tensorboard", "tensorboardX", "tensorflow-cpu", "torch", "transformers", "xgboost",
    "xgboost-cpu", "ahocorasick-rs", "detect-secrets", "logfire", "presidio-analyzer",
)
# fmt: on
"""Those of peers that have an environment of their own are told with their rows."""


def describe() -> dict[str, object]:
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory GB": round(psutil.virtual_memory().total / 1e9),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
        "versions": versions(),
    }


def told(machine: dict[str, object]) -> str:
    """In one line, without the versions of packages."""
    busy = f"load {machine['load']}"
    return ", ".join(
        [
            f"{machine['processor']}",
            f"{machine['cores']} cores",
            f"{machine['memory GB']} GB",
            f"{machine['system']}",
            f"Python {machine['python']}",
            busy,
        ]
    )


def processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
