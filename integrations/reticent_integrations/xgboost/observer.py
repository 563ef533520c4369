"""The callback that logs the metrics of each iteration while XGBoost trains."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from reticent.patching import Capture
from reticent_integrations.checkpoints import Score

History: TypeAlias = Mapping[str, Mapping[str, Sequence[Any]]]
"""All scores so far, by data set and metric; in cross-validation each is a mean and a deviation."""

_MAXIMIZED = ("auc", "pre", "map", "ndcg")
"""Of which metrics XGBoost holds more to be better, unless it is told otherwise: those that begin so."""


def newest(history: History) -> dict[str, float]:
    return {f"{data}-{metric}": scores[-1] for data, metrics in history.items() for metric, scores in metrics.items()}


@functools.cache
def observer_class() -> Callable[..., Any]:
    """The callback's class, made when XGBoost is there to inherit from."""
    from xgboost.callback import TrainingCallback

    class MetricObserver(TrainingCallback):  # type: ignore[misc] # XGBoost's classes are not typed
        """Logs the metrics of each iteration while the training runs, and keeps how it ended."""

        def __init__(self, capture: Capture, metrics: Callable[[History], dict[str, float]] = newest) -> None:
            super().__init__()
            self.capture = capture
            self.metrics = metrics
            self.last_step = -1
            self.history: History = {}
            self.rounds = 0
            """Of the model at the end, with those that it had before; before a callback cuts it to the best ones."""
            self.best: tuple[int, float] | None = None
            """The iteration that early stopping holds to be the best, and its score."""

        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002 - XGBoost's names
            with self.capture.guard("metrics"):
                self.last_step, self.history = epoch, evals_log
                self.capture.log_step(self.metrics(evals_log), epoch)
            return False

        def after_training(self, model: Any) -> Any:
            with self.capture.guard("early stopping"):
                self.rounds = model.num_boosted_rounds()
                if model.attr("best_iteration") is not None:
                    self.best = int(model.attr("best_iteration")), float(model.attr("best_score"))
            return model

        def score(self) -> Score:
            if not self.history:
                return Score()
            data, metrics = list(self.history.items())[-1]  # those that decide on early stopping too
            metric, scores = list(metrics.items())[-1]
            higher = metric.startswith(_MAXIMIZED) and metric != "mape"
            return Score(scores[-1], f"{data}-{metric}", "max" if higher else "min")

        def __reduce__(self) -> tuple[Any, tuple[()]]:
            """A copy does nothing, and can be read where Reticent is not installed."""
            return TrainingCallback, ()

    return MetricObserver
