"""The callback that logs the metrics of each iteration while XGBoost trains."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from reticent.patching import Capture


@functools.cache
def observer_class() -> Callable[[Capture], Any]:
    """The callback's class, made when XGBoost is there to inherit from."""
    from xgboost.callback import TrainingCallback

    class MetricObserver(TrainingCallback):  # type: ignore[misc] # XGBoost's classes are not typed
        """Logs the metrics of each iteration while the training runs."""

        def __init__(self, capture: Capture) -> None:
            super().__init__()
            self.capture = capture
            self.last_step = -1
            self.history: Mapping[str, Mapping[str, list[float]]] = {}

        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002 - XGBoost's names
            with self.capture.guard("metrics"):
                self.last_step, self.history = epoch, evals_log
                newest = {
                    f"{data}-{metric}": values[-1]
                    for data, metrics in evals_log.items()
                    for metric, values in metrics.items()
                }
                self.capture.log_step(newest, epoch)
            return False

        def __reduce__(self) -> tuple[Any, tuple[()]]:
            """A copy does nothing, and can be read where Reticent is not installed."""
            return TrainingCallback, ()

    return MetricObserver
