"""Epochs, and the data sets of a training, as found from the DataLoaders that are gone through meanwhile."""

from __future__ import annotations

from typing import Any, Literal

from reticent.patching import Capture
from reticent_integrations.torch import loaders
from reticent_integrations.torch.here import Pass, local
from reticent_integrations.torch.seen import Seen


class Epochs:
    """Those of one training. The loader in whose passes optimizers step is that of the training data."""

    def __init__(self, capture: Capture) -> None:
        self.capture = capture
        self.count = 0
        self.samples = 0
        self.began = 0.0
        """When the first epoch began; 0: there is none."""
        self._last_step, self._last_time = 0, 0.0
        """The latest step of an optimizer, and when it was."""
        self._train, self._eval = Seen(), Seen()
        self._evaluated_after, self._evaluations = 0, 0
        """The step after which data was evaluated last, and how often it was."""
        self._current: Pass | None = None

    def note(self, step: int, moment: float) -> None:
        """The latest step of an optimizer: to be told before a pass begins or ends."""
        self._last_step, self._last_time = step, moment

    def begin(self, current: Pass) -> None:
        """An optimizer steps for the first time within, or right after, a pass."""
        current.stepped = True
        if self._current is not None and self._current is not current:
            self.end(self._current)
        self._current = current
        self.began = self.began or current.began
        self._found(current)

    def exhausted(self, one: Pass, now: float, learned: bool) -> None:
        """A pass has come to its end; `learned`: the loop went backward meanwhile."""
        if one.stepped:
            self._last_time = now
            self.end(one)
        elif not learned:
            self._evaluated(one, now)

    def end(self, one: Pass) -> None:
        """Count a pass as an epoch."""
        if one.counted:
            return
        one.counted = True
        self.count += 1
        with self.capture.guard("epochs"):
            seconds = self._last_time - one.began
            metrics = {"epoch": float(self.count), "epoch_seconds": seconds}
            samples = _samples(one)
            self.samples += samples
            if samples and seconds > 0:
                metrics["samples_per_second"] = samples / seconds
            self.capture.log_metrics(metrics, self._last_step)

    def close(self) -> None:
        """Count the epoch that was not gone through to its end."""
        if self._current is not None:
            self.end(self._current)

    def _found(self, current: Pass) -> None:
        """Note what is trained on: the loader of this pass, and those that are gone through side by side with it."""
        if current.loader is not None:
            current.rows = loaders.rows(current.loader)
            current.batch_size = _batch_size(current.loader)
        beside = [one for one in local.here.passes.values() if one.learning and one.is_under_way and not one.stepped]
        for place, loader in enumerate((one.loader for one in (current, *beside)), 1):
            if loader is not None and self._train.number(loader.dataset, place) is None:
                self._take_in(self._train, "train", loader, place)

    def _take_in(self, seen: Seen, role: Literal["train", "eval"], loader: Any, place: int) -> int:
        """The number of a data set of this role; what is not known of before is described."""
        found = None
        with self.capture.guard("datasets"):
            found = loaders.describe(loader)
        number, is_new = seen.take_in(loader.dataset, "" if found is None else found.digest, place)
        if is_new and found is not None:
            if role == "train" and number == 1:
                self.capture.log_params(_params(found.schema["loader"]), "derived")
            self.capture.log_dataset(role if number == 1 else f"{role}_{number}", role, found)
        return number

    def _evaluated(self, one: Pass, now: float) -> None:
        loader = one.loader
        if loader is None or loader.dataset in self._train:
            return
        if self._evaluated_after != self._last_step:
            self._evaluated_after, self._evaluations = self._last_step, 0
        self._evaluations += 1
        place = self._evaluations
        number = self._eval.number(loader.dataset, place) or self._take_in(self._eval, "eval", loader, place)
        with self.capture.guard("times"):
            seconds = now - one.began
            prefix = "validate" if number == 1 else f"validate_{number}"
            metrics = {f"{prefix}_seconds": seconds}
            samples = loaders.rows(loader)
            if samples and seconds > 0:
                metrics[f"{prefix}_samples_per_second"] = samples / seconds
            self.capture.log_metrics(metrics, self._last_step)


def _samples(one: Pass) -> int:
    """How many samples a pass went through; 0 if that is not known. Of a stream of no known length the last batch counts
    as a full one: how large it is could only be seen by looking at every batch."""
    if one.exhausted and one.rows is not None:
        return one.rows
    drawn = one.batches * one.batch_size
    return drawn if one.rows is None else min(one.rows, drawn)


def _batch_size(loader: Any) -> int:
    return loader.batch_size or getattr(loader.batch_sampler, "batch_size", None) or 0


def _params(told: dict[str, Any]) -> dict[str, object]:
    return {name: told[name] for name in ("batch_size", "num_workers", "drop_last", "sampler") if name in told}
