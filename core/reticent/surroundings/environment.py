"""The machine, the versions and the environment variables that a run had."""

from __future__ import annotations

import getpass
import os
import platform
import re
import socket
import sys
from collections.abc import Sequence
from fnmatch import translate
from functools import lru_cache

from reticent.guard import tried

FRAMEWORKS = (
    "catboost",
    "jax",
    "keras",
    "lightgbm",
    "lightning",
    "numpy",
    "pandas",
    "pytorch_lightning",
    "scipy",
    "sklearn",
    "statsmodels",
    "tensorflow",
    "torch",
    "transformers",
    "xgboost",
)


def variables(patterns: Sequence[str]) -> dict[str, str]:
    """The environment variables whose names match one of the globs, as they are now."""
    wanted = _any_of(tuple(patterns))
    return {name: encodable(value) for name, value in os.environ.copy().items() if wanted.match(name)}


@lru_cache(maxsize=4)
def _any_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(translate, patterns)) or "(?!)")  # of no glob: matches nothing


def facts() -> dict[str, str]:
    """Names and values; what cannot be found out is left out."""
    found = {
        "python.version": platform.python_version(),
        "platform": _platform(),
        "host": socket.gethostname(),
        "cpu.count": str(_cpus()),
    }
    with tried():  # a user without a name, as in some containers: which error it is depends on the version
        found["user"] = getpass.getuser()
    for name in FRAMEWORKS:
        # From the dictionary: a lazy module would import the framework to answer.
        version = getattr(sys.modules.get(name), "__dict__", {}).get("__version__")
        if isinstance(version, str):
            found[f"{name}.version"] = version
    return found


def encodable(text: str) -> str:
    """The text, with escapes for what stands for bytes that are no UTF-8, as in arguments and variables."""
    return text.encode("utf-8", "backslashreplace").decode()


def _platform() -> str:
    """As `platform.platform()` says it. That starts a program, to ask for the processor, and up to Python 3.11 holds a lock
    meanwhile: a process that is forked then waits for it for ever."""
    if sys.platform != "linux":
        return platform.platform()
    kernel = os.uname()
    library = "".join(platform.libc_ver())
    return "-".join(filter(None, (kernel.sysname, kernel.release, kernel.machine, "with", library)))


def _cpus() -> int:
    """How many CPUs this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(os.getpid()))
    return os.cpu_count() or 1
