"""The machine and the versions that a figure was measured on."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

REDACTION = ("ahocorasick-rs", "detect-secrets", "logfire", "presidio-analyzer")


def describe() -> str:
    return f"{processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, {versions()}"


def processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def versions() -> str:
    found = [f"Python {platform.python_version()}"]
    for name in ("scikit-learn", "xgboost-cpu", "xgboost", "mlflow", "mlflow-skinny", *REDACTION):
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return ", ".join(found)
