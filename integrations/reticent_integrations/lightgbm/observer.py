"""The callback that logs the metrics of each iteration while LightGBM trains."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from reticent.patching import Capture
from reticent_integrations.checkpoints import Score


class Result(NamedTuple):
    """What an evaluation gave; in cross-validation, the mean over the folds."""

    data: str
    metric: str
    score: float
    higher_is_better: bool
    deviation: float = 0.0

    @property
    def name(self) -> str:
        return f"{self.data}-{self.metric}"


def results(listed: Iterable[Sequence[Any]] | None) -> list[Result]:
    """LightGBM's own, of any of its versions."""
    return [_over_folds(*result[1:]) if result[0] == "cv_agg" else Result(*result) for result in listed or ()]


def newest(evaluated: list[Result]) -> dict[str, float]:
    return {result.name: result.score for result in evaluated}


class MetricObserver:
    """Logs the metrics of each iteration while the training runs, and keeps how it ended."""

    def __init__(self, capture: Capture, metrics: Callable[[list[Result]], dict[str, float]] = newest) -> None:
        # Before all others: one that ends the training, or raises, keeps those after it from seeing that iteration.
        self.order = -math.inf
        self.before_iteration = False
        self.capture = capture
        self.metrics = metrics
        self.params: dict[str, Any] = {}
        """As LightGBM has understood them: its own names in place of the aliases."""
        self.train_name = "train"
        """What the training data is called, if it is evaluated."""
        self.first_step = 0
        """The rounds of the model that the training goes on from."""
        self.last_step = -1
        self.end_step = 0
        self.history: list[list[Result]] = []
        """Of each iteration."""

    def __call__(self, env: Any) -> None:
        with self.capture.guard("metrics"):
            if not self.history:
                self.params, self.first_step, self.end_step = dict(env.params), env.begin_iteration, env.end_iteration
                if not hasattr(type(env.model), "__getattr__"):  # of several models, there is every attribute
                    self.train_name = getattr(env.model, "_train_data_name", "training")
            self.last_step = env.iteration
            self.history.append(results(env.evaluation_result_list))
            self.capture.log_step(self.metrics(self.history[-1]), env.iteration)

    def score(self) -> Score:
        for data, metric, score, higher, _ in self.history[-1]:
            if data != self.train_name:
                return Score(score, f"{data}-{metric}", "max" if higher else "min")
        return Score()

    def __reduce__(self) -> tuple[Any, tuple[int]]:
        """A copy does nothing, and can be read where Reticent is not installed."""
        from lightgbm import log_evaluation

        return log_evaluation, (0,)


def _over_folds(name: str, *result: Any) -> Result:
    """Before 4.7, a mean over the folds was of the data set "cv_agg" and of the metric "valid auc"."""
    data, _, metric = name.partition(" ")
    return Result(data, metric, *result)
