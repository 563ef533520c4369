"""Loops that users write: of `train_on_batch`, or of a tape and an optimizer's `apply`.

No call is around such a loop. It is a run from its first step on, until its optimizer is gone or the process ends; if a
run is open, that one. In a function that is compiled `apply` is called once, while it is traced: of such a loop the
optimizer's own counter says the steps, and no step waits for it.
"""

from __future__ import annotations

import atexit
import time
import weakref
from collections.abc import Generator
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any

import reticent
from reticent import datasets
from reticent.patching import Call, Capture, run_to_join
from reticent_integrations.keras import data, params, trained
from reticent_integrations.keras.metrics import named

if TYPE_CHECKING:
    from reticent.run import Run

PROGRESS_S = 1.0
"""How often the speed of a loop is logged."""


class Loop:
    """The steps that one optimizer has made outside of `fit`."""

    def __init__(self, call: Call, name: str, optimizer: Any) -> None:
        run = run_to_join()
        self._own = run is None
        # In a context of its own: what the user does meanwhile is no part of this run.
        self._run: Run = copy_context().run(reticent.start_run, name) if run is None else run
        number = self._run.count_fit()
        prefix = "" if number == 1 else f"fit_{number}."
        self.capture = Capture(self._run, prefix, call.options, call.integration.name)
        self._run.set_tag("autologging", call.integration.name)
        if prefix:
            self._run.set_tag(prefix.rstrip("."), name)
        self.steps = 0
        self.samples = 0
        self.model: weakref.ref[Any] | None = None
        self._counter = getattr(optimizer, "iterations", None)
        self._began = self._told = time.perf_counter()
        self._steps_told = 0
        atexit.register(self._log_end)
        weakref.finalize(optimizer, self._end).atexit = False  # then runs end as the process does

    def step_made(self) -> None:
        self.steps += 1
        now = time.perf_counter()
        if now - self._told >= PROGRESS_S:
            speed = (self.steps - self._steps_told) / (now - self._told)
            self.capture.log_metric("steps_per_second", speed, self.steps - 1)
            self._told, self._steps_told = now, self.steps

    def _log_end(self) -> None:
        """What is known when it is over."""
        capture, seconds = self.capture, time.perf_counter() - self._began
        with capture.guard("steps"):
            steps = max(self.steps, _count(self._counter))
            found = {"fit_seconds": seconds}
            if steps:  # JAX may count them in a state of the user's
                found["steps"] = steps
            if self.samples:
                found["fit_samples_per_second"] = self.samples / seconds
            capture.log_metrics(found, max(0, steps - 1))
        model = None if self.model is None else self.model()
        if model is not None:
            with capture.guard("model"):
                trained.log(capture, model, None)

    def _end(self) -> None:
        atexit.unregister(self._log_end)
        self._log_end()
        if self._own:
            self._run.end()


_loops: weakref.WeakKeyDictionary[Any, Loop] = weakref.WeakKeyDictionary()
"""By optimizer."""


def train_on_batch(call: Call) -> Generator[None, Any, None]:
    """Around `Model.train_on_batch`."""
    model = call.instance
    if call.inner or getattr(model, "optimizer", None) is None:
        yield
        return
    result = yield
    loop = _loop(call, f"{type(model).__name__}.train_on_batch", model.optimizer)
    if loop.model is None:
        loop.model = weakref.ref(model)
        _log_first(loop.capture, model, call)
    metrics = named(model, result)
    loop.capture.log_step({name: float(value) for name, value in metrics.items()}, loop.steps)
    loop.samples += data.rows(call.get("x")) or 0
    loop.step_made()


def apply(call: Call) -> Generator[None, Any, None]:
    """Around an optimizer's `apply`."""
    yield
    if call.inner:
        return
    optimizer, traced = call.instance, _traced(call.get("grads"))
    new = optimizer not in _loops
    loop = _loop(call, f"{type(optimizer).__name__}.apply", optimizer)
    if new and traced:  # here nothing has a value, also not the learning rate; in another thread all have
        loop.capture.in_background("params", partial(_describe, loop.capture, weakref.ref(optimizer)))
    elif new:
        with loop.capture.guard("params"):
            params.log_optimizer(loop.capture, optimizer)
    if not traced:
        loop.step_made()


def _describe(capture: Capture, optimizer: weakref.ref[Any]) -> None:
    params.log_optimizer(capture, optimizer())


def _loop(call: Call, name: str, optimizer: Any) -> Loop:
    loop = _loops.get(optimizer)
    if loop is None:
        loop = _loops[optimizer] = Loop(call, name, optimizer)
    return loop


def _log_first(capture: Capture, model: Any, call: Call) -> None:
    """What is known of a loop when its first step is made."""
    with capture.guard("params"):
        params.log_compiled(capture, model)
        rows = datasets.rows(call.get("x"))
        if rows is not None:
            capture.log_params({"batch_size": rows}, "derived")
    with capture.guard("summary"):
        trained.log_summary(capture, model)


def _traced(grads: Any) -> bool:
    """Whether these are no numbers, but stand for those of all steps to come."""
    import keras

    leaves = keras.tree.flatten(list(grads or ()))
    first = next((leaf for leaf in leaves if leaf is not None), None)
    kind = type(first)
    if kind.__module__.startswith("jax") and "Tracer" in "".join(base.__name__ for base in kind.__mro__):
        return True
    return kind.__name__ in ("SymbolicTensor", "KerasTensor")


def _count(counter: Any) -> int:
    """An optimizer's counter of its steps."""
    return 0 if counter is None else int(data.to_numpy(counter))
