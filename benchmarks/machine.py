"""The machine and the versions that a figure was measured on."""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
from importlib import metadata
from pathlib import Path

import psutil

# fmt: off
PACKAGES = (
    "reticent", "catboost", "keras", "lightgbm", "lightning", "mlflow", "mlflow-skinny", "scikit-learn",
    "statsmodels", "tensorboard", "tensorboardX", "tensorflow-cpu", "torch", "transformers", "xgboost",
    "xgboost-cpu", "ahocorasick-rs", "boto3", "detect-secrets", "logfire", "presidio-analyzer", "psycopg", "s3fs",
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
        "temporary files": file_system(Path(tempfile.gettempdir())),
        "load": round(os.getloadavg()[0], 1),
        "commit": commit(),
        "versions": versions(),
    }


def told(machine: dict[str, object]) -> str:
    """In a line, without the versions of packages and what differs between two runs."""
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory GB']} GB, {machine['system']}, "
        f"Python {machine['python']}"
    )


def processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def file_system(place: Path) -> str:
    mounts = {one.mountpoint: one.fstype for one in psutil.disk_partitions(all=True)}
    place = place.resolve()
    return next((mounts[str(one)] for one in (place, *place.parents) if str(one) in mounts), "")


def commit() -> str:
    """Of the sources that are measured; empty where Git does not know it."""

    def git(*command: str) -> str:
        done = subprocess.run(["git", *command], cwd=Path(__file__).parent, capture_output=True, text=True)
        return done.stdout.strip()

    try:
        changed = git("status", "--porcelain", ":/core", ":/integrations", ":/redact")
        return git("rev-parse", "--short=10", "HEAD") + " with changes" * bool(changed)
    except OSError:
        return ""


def versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
