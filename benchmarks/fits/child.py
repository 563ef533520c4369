"""One framework and one logger: `python -m benchmarks.fits.child FRAMEWORK reticent|mlflow REPEATS` prints a row as JSON."""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from importlib import import_module
from types import ModuleType


class Reticent:
    def __init__(self, _: ModuleType) -> None:
        import reticent

        self.on = reticent.autolog
        self._reticent = reticent

    def off(self) -> None:
        self._reticent.autolog(disable=True)

    def settle(self) -> None:
        assert self._reticent.flush(120), "the work in the background did not end in time"


class MLflow:
    def __init__(self, framework: ModuleType) -> None:
        import mlflow

        mlflow.set_tracking_uri(f"sqlite:///{os.getcwd()}/mlflow.db")
        mlflow.set_experiment(experiment_id=mlflow.create_experiment("bench", f"file://{os.getcwd()}/artifacts"))
        self._flavor = import_module(framework.MLFLOW)
        self._switched = getattr(framework, "mlflow_switched", lambda _: None)

    def on(self) -> None:
        self._flavor.autolog(silent=True)
        self._switched(True)

    def off(self) -> None:
        self._flavor.autolog(disable=True, silent=True)
        self._switched(False)

    def settle(self) -> None:
        """It has no work in the background that is known of."""


LOGGERS: dict[str, type[Reticent] | type[MLflow]] = {"reticent": Reticent, "mlflow": MLflow}


def measure(framework: ModuleType, logger: str, repeats: int) -> dict[str, object]:
    fit: Callable[[], object] = framework.prepare()
    fit()  # frameworks import and compile parts of themselves on first use
    log = LOGGERS[logger](framework)
    bare, logged = [], []
    for _ in range(repeats + 1):
        bare.append(_seconds(fit))
        log.on()
        logged.append(_seconds(fit))
        log.off()
        log.settle()
    added = sorted(after - before for before, after in zip(bare[1:], logged[1:], strict=True))
    return {
        "fit": (framework.__doc__ or "").strip(),
        "logger": logger,
        "bare ms": statistics.median(bare[1:]) * 1e3,
        "autologged ms": statistics.median(logged[1:]) * 1e3,
        "added ms (median)": statistics.median(added) * 1e3,
        "p90 ms": added[int(len(added) * 0.9)] * 1e3,
        "added to the first fit ms": (logged[0] - bare[0]) * 1e3,
    }


def _seconds(fit: Callable[[], object]) -> float:
    start = time.perf_counter()
    fit()
    return time.perf_counter() - start


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print("\n" + json.dumps(measure(import_module(f"benchmarks.fits.{sys.argv[1]}"), sys.argv[2], int(sys.argv[3]))))
