"""Loops that users write: of `train_on_batch`, or of a tape and an optimizer's `apply`.

No call is around such a loop. It is a run from its first step on, until its optimizer is gone or the process ends; if a
run is open, that one. In a function that is compiled `apply` is called once, while it is traced: of such a loop the
optimizer's own counter says the steps, and no step waits for it.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Mapping
from contextvars import copy_context
from functools import partial
from typing import Any, TypeAlias

from reticent import datasets, holding, ranks
from reticent.patching import Capture
from reticent.patching.hooking import enabled
from reticent.patching.phases import peak_memory
from reticent_integrations.keras import data, later, owners, params, trained
from reticent_integrations.keras.metrics import named

Args: TypeAlias = tuple[Any, ...]
Kwargs: TypeAlias = Mapping[str, Any]

NAME = "keras"
PROGRESS_S = 1.0
"""How often the speed of a loop is logged."""


class Loop:
    """The steps that one optimizer has made outside of `fit`."""

    def __init__(self, name: str, optimizer: Any) -> None:
        # In a context of its own: what the user does meanwhile is no part of this run.
        self._run = holding.run_to_join() or copy_context().run(holding.run_with_holder, self, name)
        number = self._run.count_fit()
        prefix = "" if number == 1 else f"fit_{number}."
        self.capture = Capture(self._run, prefix, enabled[NAME](), NAME)
        self._run.set_tag("autologging", NAME)
        if prefix:
            self._run.set_tag(prefix.rstrip("."), name)
        self.steps = 0
        self.samples = 0
        self.model: Callable[[], Any] | None = None
        """What gives the model, or None if it is gone."""
        self.stateless = False
        self._counter = getattr(optimizer, "iterations", None)
        self._began = self._told = time.perf_counter()
        self._steps_told = 0
        self.over = False
        self._run.before_end(self._finish)
        self._last_step = self._began
        if self._run.holding.has(self):
            self._run.holding.last_step = lambda: self._last_step
        weakref.finalize(optimizer, self._end).atexit = False  # then runs end as the process does

    def find_model(self, optimizer: Any) -> None:
        """Find the model of a loop that names none. It is kept, if it can be: many a function lets go of it first."""
        model = owners.owner(optimizer)
        if model is not None:
            self.stateless = _is_stateless()
            self.model = owners.keep(model, optimizer)
            later.remember(model, self.capture, None, None)

    def step_made(self) -> None:
        self.steps += 1
        self._last_step = now = time.perf_counter()
        if now - self._told >= PROGRESS_S:
            speed = (self.steps - self._steps_told) / (now - self._told)
            self.capture.log_metric("steps_per_second", speed, self.steps - 1)
            self._told, self._steps_told = now, self.steps

    def _finish(self, status: str = "FINISHED") -> None:
        """Log what is known when it is over."""
        if self.over or not self._run.owned:
            return
        self.over = True
        capture, seconds = self.capture, time.perf_counter() - self._began
        find, self.model = self.model, None
        with data.untraced():  # an optimizer may be collected in the midst of another model's tracing
            with capture.guard("steps"):
                steps = max(self.steps, _count(self._counter))
                found = {"fit_seconds": seconds, **peak_memory()}
                if steps:  # JAX may count them in a state of the user's
                    found["steps"] = steps
                if self.samples:
                    found["fit_samples_per_second"] = self.samples / seconds
                capture.log_metrics(found, max(0, steps - 1))
            if find is not None and not self.stateless and status == "FINISHED":
                with capture.guard("model"):
                    model = find()
                    if model is not None:
                        trained.log(capture, model, None)

    def _end(self) -> None:
        self._finish()
        holding.leave(self._run, self)


_loops: weakref.WeakKeyDictionary[Any, Loop] = weakref.WeakKeyDictionary()
"""By optimizer."""


def trained_on_batch(args: Args, kwargs: Kwargs, result: Any) -> None:
    """After `Model.train_on_batch`."""
    model = args[0]
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        return
    loop = _loops.get(optimizer)
    if loop is None or loop.over:
        loop = _begin(f"{type(model).__name__}.train_on_batch", optimizer)
        if loop is None:
            return
    x = args[1] if len(args) > 1 else kwargs.get("x")
    if loop.model is None:
        loop.model = weakref.ref(model)
        with loop.capture.guard("model"):
            loop.model = owners.keep(model, optimizer)
            later.remember(model, loop.capture, None, None)
        _log_first(loop.capture, model, x)
    metrics = named(model, result)
    loop.capture.log_step({name: float(value) for name, value in metrics.items()}, loop.steps)
    loop.samples += data.rows(x) or 0
    loop.step_made()


def applied(args: Args, kwargs: Kwargs, _: Any) -> None:
    """After an optimizer's `apply`."""
    optimizer, traced = args[0], _traced(args[1] if len(args) > 1 else kwargs.get("grads"))
    loop = _loops.get(optimizer)
    if loop is None or loop.over:
        loop = _begin(f"{type(optimizer).__name__}.apply", optimizer)
        if loop is None:
            return
        with loop.capture.guard("model"):
            loop.find_model(optimizer)
        if traced:  # here nothing has a value, also not the learning rate; in another thread all have
            loop.capture.in_background("params", partial(_describe, loop, weakref.ref(optimizer)))
        else:
            _describe(loop, weakref.ref(optimizer))
    if not traced:
        loop.step_made()


def _begin(name: str, optimizer: Any) -> Loop | None:
    if ranks.follows():  # rank 0 logs for all of them
        return None
    loop = _loops[optimizer] = Loop(name, optimizer)
    return loop


def _describe(loop: Loop, reference: weakref.ref[Any]) -> None:
    """What is known of a loop of `apply` when its first step is made."""
    with loop.capture.guard("params"):
        params.log_optimizer(loop.capture, reference())
    model = None if loop.model is None else loop.model()
    if model is not None:
        with loop.capture.guard("summary"):
            loop.capture.log_params(owners.params(model), "derived")
            trained.log_summary(loop.capture, model)


def _log_first(capture: Capture, model: Any, x: Any) -> None:
    """What is known of a loop of `train_on_batch` when its first step is made."""
    with capture.guard("params"):
        params.log_compiled(capture, model)
        rows = datasets.rows(x)
        if rows is not None:
            capture.log_params({"batch_size": rows}, "derived")
    with capture.guard("summary"):
        trained.log_summary(capture, model)


def _traced(grads: Any) -> bool:
    """Whether these are no numbers, but stand for those of all steps to come."""
    kind = type(next((one for one in grads if one is not None), None))
    if kind.__module__.startswith("jax") and "Tracer" in "".join(base.__name__ for base in kind.__mro__):
        return True
    return kind.__name__ in ("SymbolicTensor", "KerasTensor")


def _is_stateless() -> bool:
    """Whether the state of a step is the user's, as with JAX: what it makes of a model need never be put in there."""
    from keras.src.backend.common.stateless_scope import in_stateless_scope

    return bool(in_stateless_scope())


def _count(counter: Any) -> int:
    """An optimizer's counter of its steps."""
    return 0 if counter is None else int(data.to_numpy(counter))
