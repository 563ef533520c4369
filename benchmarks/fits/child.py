"""One framework and one logger: `python -m benchmarks.fits.child FRAMEWORK reticent|mlflow` is asked for pairs of fits."""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

from benchmarks import processor
from benchmarks.asked import answer


class Reticent:
    def __init__(self, _: ModuleType) -> None:
        import reticent

        self._reticent = reticent

    def on(self, options: Mapping[str, Any]) -> None:
        self._reticent.autolog(**options)

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

    def on(self, options: Mapping[str, Any]) -> None:
        self._flavor.autolog(silent=True, **options)
        self._switched(True)

    def off(self) -> None:
        self._flavor.autolog(disable=True, silent=True)
        self._switched(False)

    def settle(self) -> None:
        """It has no work in the background that is known of."""


LOGGERS: dict[str, type[Reticent] | type[MLflow]] = {"reticent": Reticent, "mlflow": MLflow}


def main(name: str, logger: str) -> None:
    framework = import_module(f"benchmarks.fits.{name}")
    fits: dict[str, Callable[[], object]] = {}

    def pairs(size: Mapping[str, int], times: int, options: Mapping[str, Any]) -> list[tuple[float, ...]]:
        fit = fits.get(str(size))
        if fit is None:
            fit = fits[str(size)] = framework.prepare(**size)
            fit()  # frameworks import and compile parts of themselves on first use
        return [_pair(fit, log, options) for _ in range(times)]

    pairs(next(iter(framework.SIZES.values())), 0, {})
    log = LOGGERS[logger](framework)
    answer(pairs)


def _pair(
    fit: Callable[[], object], log: Reticent | MLflow, options: Mapping[str, Any]
) -> tuple[float, float, float, float]:
    """Milliseconds: bare, logged, and the processor's of both, the work in the background included."""
    start = processor.of_this_tree()
    bare = _ms(fit)
    bare_cpu = processor.of_this_tree() - start
    log.on(options)
    start = processor.of_this_tree()
    logged = _ms(fit)
    log.settle()
    logged_cpu = processor.of_this_tree() - start
    log.off()
    log.settle()
    return bare, logged, bare_cpu * 1e3, logged_cpu * 1e3


def _ms(fit: Callable[[], object]) -> float:
    start = time.perf_counter()
    fit()
    return (time.perf_counter() - start) * 1e3


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(*sys.argv[1:])
