"""One flavour by one tracker: `python -m benchmarks.models_child FLAVOUR reticent|mlflow` is asked for turns."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.asked import answer
from benchmarks.fits.data import two_classes

SMALL, LARGE = "small", "large"
Load = Callable[[], object]


def sklearn() -> dict[str, Any]:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression

    X, y = two_classes(2_000, 20)
    return {SMALL: LogisticRegression().fit(X, y), LARGE: RandomForestClassifier(100, random_state=0).fit(X, y)}


def xgboost() -> dict[str, Any]:
    import xgboost

    data, params = xgboost.DMatrix(*two_classes(2_000, 20)), {"max_depth": 6, "nthread": 1}
    return {SMALL: xgboost.train(params, data, 30), LARGE: xgboost.train(params, data, 200)}


def lightgbm() -> dict[str, Any]:
    import lightgbm

    X, y = two_classes(2_000, 20)
    params = {"num_threads": 1, "verbose": -1}
    return {
        size: lightgbm.train(params, lightgbm.Dataset(X, y), rounds) for size, rounds in ((SMALL, 30), (LARGE, 200))
    }


def catboost() -> dict[str, Any]:
    from catboost import CatBoostClassifier

    quiet = {"thread_count": 1, "verbose": False, "allow_writing_files": False}
    data = two_classes(2_000, 20)
    return {
        size: CatBoostClassifier(iterations=rounds, **quiet).fit(*data) for size, rounds in ((SMALL, 30), (LARGE, 200))
    }


def statsmodels() -> dict[str, Any]:
    import statsmodels.api as sm

    small, large = two_classes(500, 10), two_classes(50_000, 50)
    return {SMALL: sm.OLS(small[1], small[0]).fit(), LARGE: sm.OLS(large[1], large[0]).fit()}


def torch() -> dict[str, Any]:
    import torch

    return {
        size: torch.nn.Sequential(*(torch.nn.Linear(width, width) for _ in range(24)))
        for size, width in ((SMALL, 32), (LARGE, 1024))
    }


FLAVOURS: dict[str, tuple[Callable[[], dict[str, Any]], str, str]] = {
    "sklearn": (sklearn, "LogisticRegression", "forest of 100 trees"),
    "xgboost": (xgboost, "30 rounds", "200 rounds"),
    "lightgbm": (lightgbm, "30 rounds", "200 rounds"),
    "catboost": (catboost, "30 rounds", "200 rounds"),
    "statsmodels": (statsmodels, "OLS, 500 x 10", "OLS, 50,000 x 50"),
    "torch": (torch, "0.1 MB", "100 MB"),
}
"""The models, and what the small and the large one are."""


class Reticent:
    def __init__(self, _flavour: str) -> None:
        import reticent

        self._reticent, self._run = reticent, reticent.start_run()

    def save(self, model: object, name: str) -> Load:
        self._run.log_model(model, name)
        return lambda: self._reticent.load_model(f"runs:/{self._run.run_id}/{name}", trust=True)

    def wait(self) -> None:
        assert self._reticent.flush(300)


class MLflow:
    def __init__(self, flavour: str) -> None:
        import mlflow

        logging.getLogger("mlflow").setLevel(logging.ERROR)
        mlflow.set_tracking_uri("sqlite:///mlflow.db")
        mlflow.start_run()
        self._flavour = import_module(f"mlflow.{'pytorch' if flavour == 'torch' else flavour}")
        # The format that it took before 3.17, and still takes no questions for a forest; a module is pickled anyway.
        formats = {"sklearn": {"serialization_format": "cloudpickle"}, "torch": {"serialization_format": "pickle"}}
        self._options = formats.get(flavour, {})

    def save(self, model: object, name: str) -> Load:
        info = self._flavour.log_model(model, name=name, **self._options)
        return lambda: self._flavour.load_model(info.model_uri)

    def wait(self) -> None:
        """It returns when the model is stored."""


TRACKERS: dict[str, type[Reticent] | type[MLflow]] = {"reticent": Reticent, "mlflow": MLflow}


def main(flavour: str, name: str) -> None:
    models, tracker = FLAVOURS[flavour][0](), TRACKERS[name](flavour)
    count = iter(range(1_000_000))

    def turn(size: str, times: int) -> list[dict[str, float]]:
        return [_saved_and_loaded(tracker, models[size], f"model{next(count)}") for _ in range(times)]

    turn(SMALL, 1)  # what is imported and prepared once
    answer(turn)


def _saved_and_loaded(tracker: Reticent | MLflow, model: object, name: str) -> dict[str, float]:
    before, start = _resident_mb("VmRSS"), time.perf_counter()
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    load = tracker.save(model, name)
    saved = time.perf_counter() - start
    tracker.wait()
    grown = _resident_mb("VmHWM") - before
    loads = sorted(_seconds(load) for _ in range(3))
    return {"save ms": saved * 1e3, "load ms": loads[1] * 1e3, "memory MB": max(0.0, grown)}


def _seconds(load: Load) -> float:
    start = time.perf_counter()
    load()
    return time.perf_counter() - start


def _resident_mb(which: str) -> float:
    return int(Path("/proc/self/status").read_text().split(f"{which}:")[1].split()[0]) / 1e3


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    os.environ.setdefault("RETICENT_CAPTURE", json.dumps({"git": False, "system_s": 0}))
    main(*sys.argv[1:])
