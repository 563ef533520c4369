"""What is logged while Keras trains: of each batch, of each validation, of each epoch."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from reticent.patching import Capture, Phase
from reticent_integrations.keras import data, trained
from reticent_integrations.keras.checkpoints import Checkpoints


class Epochs:
    """The epochs of one fit. Metrics are numbers here: Keras has read them from the device for its own callbacks."""

    def __init__(self, capture: Capture, model: Any, checkpoints: Checkpoints) -> None:
        self.capture = capture
        self.model = model
        self.checkpoints = checkpoints
        self.epoch = -1
        """The one that is trained, or was last."""
        self.trained = 0
        """How many were."""
        self.steps = 0
        """How many batches were trained."""
        self.logs: Mapping[str, Any] = {}
        """Of the last epoch."""
        self._steps_before = 0
        self._names: dict[str, str] = {}
        self._logged: set[str] = set()
        self._summarized = False
        self._validation: Phase | None = None

    def training_begins(self) -> None:
        self._summarize()

    def begins(self, epoch: int) -> None:
        self.epoch, self._steps_before = epoch, self.steps
        self._began = time.perf_counter()

    def batch_ended(self, batch: int, logs: Mapping[str, Any]) -> None:
        """Log the means since the epoch began, as Keras tells them; it may do so in several threads at once."""
        with self.capture.guard("metrics of a batch"):
            step = self._steps_before + batch
            self.steps = max(self.steps, step + 1)
            self.capture.log_step({f"batch_{name}": value for name, value in logs.items()}, step)

    def validation_begins(self) -> None:
        self._validation = self.capture.phase("validate", self.epoch)
        self._validation.__enter__()

    def validation_ended(self) -> None:
        phase, self._validation = self._validation, None
        if phase is not None:
            phase.__exit__(None, None, None)

    def ended(self, epoch: int, logs: Mapping[str, Any]) -> None:
        with self.capture.guard("metrics"):
            self.epoch, self.logs, self.trained = epoch, logs, self.trained + 1
            self._logged = set(logs)
            self._log(logs)
            self.capture.log_metric("epoch_seconds", time.perf_counter() - self._began, epoch)
        self._summarize()

    def callbacks_are_done(self, epoch: int, logs: Mapping[str, Any]) -> None:
        """Log what the user's callbacks have added, such as the learning rate, and keep the checkpoint of the epoch."""
        with self.capture.guard("metrics"):
            added = {name: value for name, value in logs.items() if name not in self._logged}
            self._log(added)
            if "learning_rate" not in logs:
                rate = _learning_rate(self.model.optimizer)
                if rate is not None:
                    self.capture.log_metric("learning_rate", rate, epoch)
        with self.capture.guard("checkpoints"):
            self.checkpoints.epoch_ended(epoch, logs)

    def _log(self, logs: Mapping[str, Any]) -> None:
        for name, value in logs.items():
            with suppress(TypeError, ValueError):  # a callback of the user's may put anything there
                number = float(value)
                self.capture.log_metric(name, number, self.epoch)
                if name.startswith("val_"):
                    self.capture.log_metric(f"validation_{name.removeprefix('val_')}", number, self.epoch)

    def _summarize(self) -> None:
        """Log the model's summary as soon as it is built: before the training, or else after an epoch."""
        if not self._summarized and self.model.built:
            self._summarized = True
            with self.capture.guard("summary"):
                trained.log_summary(self.capture, self.model)


def _learning_rate(optimizer: Any) -> float | None:
    """The rate at the end of an epoch, when nothing is under way on the device. A schedule of the user's is not called."""
    schedule = getattr(optimizer, "_learning_rate", None)
    if callable(schedule) and not type(schedule).__module__.startswith("keras."):
        return None
    rate = getattr(optimizer, "learning_rate", None)
    return None if rate is None else float(data.to_numpy(rate))
