"""The metrics of a training: each point of them is logged once, whoever tells of it first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from reticent.patching import Call, Capture
from reticent_integrations.catboost.params import iterations

Evals: TypeAlias = Mapping[str, Mapping[str, list[float]]]
"""By data set and by metric, a value for each iteration in which the metric was computed."""


class History:
    def __init__(self, capture: Capture) -> None:
        self._capture = capture
        self._points: dict[str, dict[int, float]] = {}
        """By name, by step."""
        self.last_step = -1

    def log(self, name: str, step: int, value: float) -> None:
        points = self._points.setdefault(name, {})
        if step not in points:
            points[step] = value
            self._capture.log_step({name: value}, step)
        self.last_step = max(step, self.last_step)

    def complete(self, evals: Evals, period: int, iterations: int | None) -> None:
        """Log what is not logged yet of the metrics that a trained model has kept.

        They were computed every `period` iterations, and in the last of all `iterations`; None: the training may have
        stopped early, and computed one of the metrics in each iteration to know that.
        """
        trained = iterations or max((len(values) for _, values in named(evals)), default=0)
        others = 0
        for name, values in named(evals):
            for step, value in zip(steps(len(values), period, trained), values, strict=True):
                self.log(name, step, value)
                others += not math.isclose(self._points[name][step], value, rel_tol=1e-6, abs_tol=1e-9)
        if others:
            message = f"{others} points of metrics are of another training, which wrote to the same train_dir meanwhile"
            self._capture.warn("training log", message)


def named(evals: Evals) -> Iterable[tuple[str, list[float]]]:
    for data, metrics in evals.items():
        for metric, values in metrics.items():
            yield f"{data}-{metric}", values


def steps(count: int, period: int, trained: int) -> Iterable[int]:
    """The iterations in which a metric was computed: each, or those of the period and the last one."""
    if count >= trained:
        return range(count)
    return [min(number * period, trained - 1) for number in range(count)]


NOTE = '"callbacks":"PythonUserDefinedPerObject"'
"""What a model keeps of the callbacks that it was trained with."""


class Observer:
    """A callback that logs the metrics of each iteration while CatBoost trains."""

    def __init__(self, capture: Capture, history: History) -> None:
        self._capture = capture
        self._history = history
        self._counts: dict[str, int] = {}

    def after_iteration(self, info: Any) -> bool:
        with self._capture.guard("metrics"):
            step = info.iteration - 1
            for name, values in named(info.metrics):
                if len(values) > self._counts.get(name, 0):  # not in each iteration, where there is a `metric_period`
                    self._counts[name] = len(values)
                    self._history.log(name, step, values[-1])
            self._history.last_step = step
        return True


def observed(call: Call, told: Mapping[str, Any], history: History) -> bool:
    """Have the training observed by a callback, if it takes one and that costs next to nothing."""
    callbacks = call.get("callbacks")
    on_gpu = str(told.get("task_type")).upper() == "GPU"  # where CatBoost refuses callbacks
    few = iterations(told) <= call.options.callback_iterations
    if on_gpu or not (few or callbacks) or not isinstance(callbacks, (list, tuple, type(None))):
        return False
    # First, not last: a callback that ends the training keeps those after it from seeing that iteration.
    call.set("callbacks", [Observer(call.capture, history), *(callbacks or ())])
    return True


def forget_observer(estimator: Any) -> None:
    """Have the model not say that it was trained with callbacks, as CatBoost notes among its params: they were ours."""
    metadata = estimator.get_metadata()
    told = str(metadata["params"])
    for note in (f"{NOTE},", f",{NOTE}"):  # cut out: JSON that is written anew may differ in more
        if told.count(note) == 1:
            metadata["params"] = told.replace(note, "")
            return
