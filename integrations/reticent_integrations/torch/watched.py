"""What is known of an optimizer, and where the metrics of its steps stand."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from reticent.patching import Capture
from reticent_integrations.torch import gradients, optimizers, ownership
from reticent_integrations.torch.here import known, local

if TYPE_CHECKING:
    from reticent.run import Run
    from reticent_integrations.torch.training import Training


class Line:
    """The metrics of an optimizer, and of those that come after it for the same parameters."""

    __slots__ = (
        "clipped",
        "due",
        "left_out",
        "loss",
        "norm",
        "norm_seconds",
        "prefix",
        "rate",
        "rates",
        "step",
        "told",
    )

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.loss: str | None = None
        self.norm: str | None = None
        """The names of these metrics in the run; None if the user does not want them."""
        self.step = 0
        self.due = 1
        """The step with which there is more to do."""
        self.rates: dict[int, float] = {}
        """The learning rates that were told last, by the number of the group."""
        self.told: list[float] = []
        """Those of all groups at that time, where they are numbers."""
        self.rate: float | None = None
        """The first of these."""
        self.clipped = False
        """Whether the loop itself has the norm of the gradients computed."""
        self.left_out: dict[str, tuple[int, list[Any]]] = {}
        """By the name of a metric in the run, the last step that `every_n_steps` has left out, and what is the mean."""
        self.norm_seconds = 0.0
        """So long this thread was at computing it here."""

    def log_to(self, capture: Capture) -> None:
        self.loss, self.norm = capture.name(f"{self.prefix}loss"), capture.name(f"{self.prefix}grad_norm")

    def log_left_out(self, run: Run, every: int) -> None:
        """Log the last values, where these are not of every n-th step."""
        logged = self.step - self.step % every
        for name, (step, values) in self.left_out.items():
            value = gradients.mean(values)
            if step > logged and value is not None:
                run.log_metric(name, value, step)
        self.left_out = {}


class Known:
    """What is known of an optimizer, which is not kept alive by that."""

    def __init__(self, optimizer: Any, born: float) -> None:
        key, forget = id(optimizer), known.pop  # which outlives the name `known`, as an optimizer may at the very end
        self.ref = weakref.ref(optimizer, lambda _: forget(key, None))
        self.born = born
        model, parts = ownership.owner(optimizer, local.here.asked())
        self.model = None if model is None else weakref.ref(model)
        self.parts = [type(ownership.unwrapped(part)).__name__ for part in parts]
        """The classes of the modules whose parameters it has, where these are in no module together."""
        self.params, self.chosen = optimizers.describe(optimizer), optimizers.explicit(optimizer)
        """From now, as some schedulers change more than the learning rate."""
        self.groups = len(optimizer.param_groups)
        self.on_cuda = any(getattr(each, "is_cuda", False) for each in ownership.parameters(optimizer))
        self.schedulers: list[weakref.ref[Any]] = []
        self.training: Training | None = None
        self.line = Line("")
        self.prefix = ""
        """Of the names of its params."""
        self.repeats = False
        """Whether another one had its parameters before: then it may be wrapped around that one, and step with it."""
        known[key] = self
