"""One training by a plain loop, from the first step of an optimizer until all its optimizers are gone."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Mapping
from operator import methodcaller
from typing import TYPE_CHECKING, Any

from reticent import holding
from reticent.patching import Capture
from reticent.patching.hooking import enabled
from reticent.patching.phases import peak_memory
from reticent_integrations.torch import ending, gradients, optimizers, ownership, rank_steps
from reticent_integrations.torch.epochs import Epochs
from reticent_integrations.torch.example import Example
from reticent_integrations.torch.here import Pass, local
from reticent_integrations.torch.watched import Known, Line

if TYPE_CHECKING:
    from reticent.run import Run

NAME = "torch"
SPEED_STEPS = 50
"""After so many steps each, their speed is told."""
MAX_OPTIMIZERS = 8
MAX_TURN = 500
"""After so many steps of a loop without a loader an optimizer that has not stepped yet is not waiting for its turn."""
NORM_EVERY = 10
NORM_SHARE = 0.01
"""Where the user does not say in which steps: of the time of a training, the norms of gradients take no more than this..."""
NORM_SECONDS = 0.05
"""...and this, which is enough for all of a short one."""
_rate = methodcaller("get", "lr")


class Training:
    def __init__(self, first: Known, optimizer: Any, before: Training | None = None) -> None:
        """`before`: what ended by an error that the loop got over, or as another training began."""
        model = None if first.model is None else first.model()
        name = NAME if model is None else type(ownership.unwrapped(model)).__name__
        goes_on = before is not None and (before.failed or before.run.holding.gave_way)
        resumed = before.run.run_id if before is not None and goes_on else None
        self.run: Run = holding.run_of_loop(self, name, resumed)
        number = self.run.count_fit()
        prefix = "" if number == 1 else f"fit_{number}."
        self.run.set_tag("autologging", NAME)
        if prefix:
            self.run.set_tag(prefix.rstrip("."), name)
        self.capture = Capture(self.run, prefix, enabled[NAME](), NAME)
        self.options = self.capture.options
        self._every: int = self.options.every_n_steps
        asked: int | None = self.options.grad_norm_every_n_steps
        self._norm_every = NORM_EVERY if asked is None else asked
        self._norm_limited = asked is None
        self._histograms_every: int = self.options.histograms_every_n_steps
        self.process = os.getpid()
        self.thread = threading.get_ident()
        self.over = False
        self.failed: bool = False
        """Whether an error has ended its run: steps that come after it go on with that."""
        self.resumed = resumed is not None
        self.replaced = False
        """Whether it was taken to be over because another one began."""
        self.open_to_all = before is not None and before.replaced
        """Whether steps of any optimizer belong to it, as they have turned out to be taken in turns."""
        self.optimizers: list[weakref.ref[Any]] = []
        self.models: dict[str, Any] = {}
        """By the name of its artifact: the model, or a weak reference to it."""
        self.example: Example | None = None
        self.began = self.last_step = self._told_speed = time.perf_counter()
        self._pass: Pass | None = None
        """In which an optimizer stepped last."""
        self._lines: list[Line] = []
        self.epochs: Epochs = before.epochs if before is not None and self.resumed else Epochs(self.capture)
        self.epochs.capture = self.capture
        self.skipped = 0
        """Steps that a GradScaler left out."""
        self.run.before_end(self.finish)
        if self.run.holding.has(self):
            self.run.holding.last_step = lambda: self.last_step
        self.add(first, optimizer)

    def add(self, one: Known, optimizer: Any, successor_of: Known | None = None) -> None:
        """Take in an optimizer."""
        number = len(self.optimizers) + 1
        one.training = self
        one.prefix = "" if number == 1 else f"optimizer_{number}."
        if successor_of is not None:
            one.line, one.repeats = successor_of.line, True
        elif not self.resumed:
            one.line, one.repeats = Line(one.prefix), False
        one.line.log_to(self.capture)
        self._lines.append(one.line)
        self.optimizers.append(one.ref)
        ending.when_gone(optimizer, self._optimizer_gone)
        with self.capture.guard("params"):
            self._log_params(one, optimizer)
        model = None if one.model is None else one.model()
        if model is not None:
            with self.capture.guard("model"):
                self._add_model(model)

    @property
    def global_step(self) -> int:
        return max(line.step for line in self._lines)

    def may_have(self, one: Known) -> bool:
        """Whether an optimizer that steps for the first time may take its turns with those that are here. One that was there
        and has not stepped by the next epoch is that of another training, which was prepared before this one."""
        if self._pass is None:
            waited = self.global_step > MAX_TURN
        else:
            waited = self.epochs.count > 0 and local.here.latest is not self._pass
        return self.open_to_all or (one.born <= self.last_step and not waited)

    def step(self, one: Known, optimizer: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """An optimizer has stepped. In between the loop's own work nothing of ours is in the processor's caches, where each
        line takes a good part of a microsecond: what most steps have no use for is in other methods."""
        here, line = local.here, one.line
        losses = here.losses
        if not losses and one.repeats:
            return
        if here.latest is not self._pass:
            self._begin_pass(line.step + 1)
        latest = self._pass
        if losses:
            here.losses = []
        line.step = step = line.step + 1
        self.last_step = time.perf_counter()
        if latest is not None:
            iterator = latest.iterator()
            if iterator is not None:
                latest.batches = iterator._num_yielded
        every = self._every
        if every == 1 or step % every == 0:
            if losses and line.loss is not None:
                # Of a closure the first: the others are of what the optimizer has tried.
                loss = losses[0] if len(losses) == 1 or _has_closure(args, kwargs) else gradients.mean(losses)
                if loss is not None:
                    self.run.log_metric(line.loss, loss, step)
            groups = optimizer.param_groups
            if len(groups) != 1 or groups[0].get("lr") is not line.rate:
                self._log_rates(line, optimizer, step)
        elif losses and line.loss is not None:
            line.left_out[line.loss] = step, losses[:1] if _has_closure(args, kwargs) else losses
        if here.norm is not None:
            self._log_clipped(line, step)
        if step >= line.due:
            self._now_and_then(one, optimizer, len(losses))

    def _begin_pass(self, step: int) -> None:
        """An optimizer steps for the first time within, or right after, a pass through a loader. One that was over before
        that, while another one goes on, was for validation, where gradients were computed for nothing."""
        here = local.here
        latest = here.latest
        if latest is not None and not latest.is_under_way:
            others = [one for one in here.passes.values() if one.learning and one.is_under_way]
            latest = here.latest = others[-1] if others else latest
        if latest is None or latest is self._pass:
            return
        self._pass = latest
        if not latest.stepped:
            self.epochs.note(self.global_step, self.last_step)
            self.epochs.begin(latest)
            if latest.exhausted:
                self.epochs.note(step, time.perf_counter())
                self.epochs.end(latest)

    def exhausted(self, one: Pass, backwards: int) -> None:
        """A pass through a loader has come to its end."""
        self.epochs.note(self.global_step, self.last_step)
        self.epochs.exhausted(one, time.perf_counter(), learned=backwards > one.backwards_before)

    def _log_clipped(self, line: Line, step: int) -> None:
        """The loop itself has computed the norm of the gradients."""
        here = local.here
        if line.norm is not None and step % self._every == 0:
            self.run.log_metric(line.norm, here.norm, step)
        elif line.norm is not None:
            line.left_out[line.norm] = step, [here.norm]
        here.norm, line.clipped = None, True

    def _now_and_then(self, one: Known, optimizer: Any, losses: int) -> None:
        """What is not of every step."""
        line, now = one.line, self.last_step
        step = line.step
        every = [number for number in (self._norm_every, self._histograms_every, SPEED_STEPS) if number]
        line.due = min(step - step % number + number for number in every)
        if step == 1 and losses:
            self.capture.log_params({f"{one.prefix}backward_per_step": losses}, "derived")
        if self._norm_every and step % self._norm_every == 0:
            self._log_norm(line, optimizer, step, now)
        if self._histograms_every and step % self._histograms_every == 0:
            gradients.log_histograms(self.capture, optimizer, self._model_of(one), one.prefix, step)
        if line.prefix == "":
            if step == 1:
                self.began = self.epochs.began or now
            elif step % SPEED_STEPS == 0:
                self.capture.log_metric("steps_per_second", SPEED_STEPS / (now - self._told_speed), step)
            if step % SPEED_STEPS == 0 or step == 1:
                self._told_speed = now
        rank_steps.look()

    def fail(self, error: BaseException) -> None:
        """The loop has met with an error. It may get over it: then the next step goes on with the run."""
        if self.run.holding.has(self) and not self.resumed:
            from reticent.outcome import status_of

            self.finish(status_of(error))
            self.run.end(status_of(error), error)

    def replace(self) -> None:
        """Another training begins: this one must be over."""
        self.replaced = True
        self._leave()

    def finish(self, status: str = "FINISHED") -> None:
        """Log what is known at the end."""
        if self.over or os.getpid() != self.process:
            return
        self.over = True
        self.failed = status != "FINISHED" and self.run.holding.has(self)
        if local.here.training is self:
            local.here.training = None
        self.epochs.note(self.global_step, self.last_step)
        self.epochs.close()
        if self.example is not None:
            self.example.stop()
        with self.capture.guard("last steps"):
            for line in self._lines:
                line.log_left_out(self.run, self._every)
        with self.capture.guard("times"):
            seconds = self.last_step - self.began
            metrics = {"fit_seconds": seconds, **peak_memory()}
            if self.epochs.samples and seconds > 0:
                metrics["fit_samples_per_second"] = self.epochs.samples / seconds
            self.capture.log_metrics(metrics, self.global_step)
        if status == "FINISHED":
            counts = {"steps": self.global_step, "epochs": self.epochs.count, "skipped_steps": self.skipped}
            self.capture.log_params({name: count for name, count in counts.items() if count}, "derived")
            with self.capture.guard("model"):
                self._log_models()
        self.models.clear()

    def _leave(self) -> None:
        if os.getpid() == self.process and not self.over:
            self.finish()
            holding.leave(self.run, self)

    def _optimizer_gone(self) -> None:
        if all(reference() is None for reference in self.optimizers):
            self._leave()

    def _log_params(self, one: Known, optimizer: Any) -> None:
        if len(optimizer.param_groups) != one.groups:
            one.params, one.chosen = optimizers.describe(optimizer), optimizers.explicit(optimizer)
        chosen = {f"{one.prefix}{name}": value for name, value in one.params.items() if name in one.chosen}
        others = {f"{one.prefix}{name}": value for name, value in one.params.items() if name not in one.chosen}
        self.capture.log_params(chosen, "explicit")
        self.capture.log_params(others, "default")
        if one.parts:
            self.capture.log_params({f"{one.prefix}model_parts": ", ".join(one.parts)}, "derived")
        self._log_schedulers(one)

    def _log_schedulers(self, one: Known) -> None:
        found = [scheduler for scheduler in (reference() for reference in one.schedulers) if scheduler is not None]
        parts = {id(part) for scheduler in found for part in getattr(scheduler, "_schedulers", ())}
        told = optimizers.describe_scheduler(*(scheduler for scheduler in found if id(scheduler) not in parts))
        self.capture.log_params({f"{one.prefix}{name}": value for name, value in told.items()}, "explicit")

    def _log_rates(self, line: Line, optimizer: Any, step: int) -> None:
        rates = list(map(_rate, optimizer.param_groups))
        if all(rate.__class__ is float for rate in rates):
            line.rate = rates[0]
            if rates == line.told:
                return
            line.told = rates
        for number, group in enumerate(optimizer.param_groups[: optimizers.MAX_GROUPS]):
            rate = group.get("lr")
            if rate.__class__ is not float:
                if rate is None or getattr(rate, "device", _CPU).type != "cpu":
                    continue  # to read it would be to wait for the device
                rate = float(rate)
            if line.rates.get(number) != rate:
                line.rates[number] = rate
                group_prefix = f"group_{number}." if number else ""
                self.capture.log_metric(f"{line.prefix}{group_prefix}learning_rate", rate, step)

    def _log_norm(self, line: Line, optimizer: Any, step: int, now: float) -> None:
        if line.clipped or line.norm is None:
            return
        if self._norm_limited and line.norm_seconds > NORM_SECONDS + NORM_SHARE * (now - self.began):
            return
        began = time.thread_time()
        norm = gradients.norm(optimizer)
        if norm is not None:
            self.run.log_metric(line.norm, norm, step)
        line.norm_seconds += time.thread_time() - began

    def _add_model(self, model: Any) -> None:
        if any(_target(other) is model for other in self.models.values()):
            return
        number = len(self.models) + 1
        name, prefix = ("model", "") if number == 1 else (f"model_{number}", f"model_{number}.")
        self.models[name] = model if ownership.may_be_kept(model) else weakref.ref(model)
        params = {f"{prefix}{key}": value for key, value in ownership.params(model).items()}
        self.capture.log_params(params, "derived")
        self.capture.log_text(ownership.summary(model), f"{name}_summary.txt")
        if number == 1 and self.options.log_models and not ownership.is_compiled(model):
            self.example = Example(model)

    def _model_of(self, one: Known) -> Any:
        return None if one.model is None else one.model()

    def _log_models(self) -> None:
        for name, one in self.models.items():
            model = _target(one)
            if model is None:
                continue
            told = self.example.told() if name == "model" and self.example is not None else {}
            self.capture.log_model(model, name, **told)


class _Device:
    type = "cpu"


_CPU = _Device()


def _target(one: Any) -> Any:
    return one() if isinstance(one, weakref.ref) else one


def _has_closure(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    return (args[1] if len(args) > 1 else kwargs.get("closure")) is not None
