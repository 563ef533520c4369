"""The callbacks that follow a training, or an evaluation, while it runs. They have no state that a checkpoint would hold."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from reticent.patching import Capture
from reticent.patching.phases import Phase
from reticent_integrations.lightning import data, early_stopping, model
from reticent_integrations.lightning.rates import learning_rates
from reticent_integrations.lightning.training import Training

_PACKAGES = {"lightning": "lightning.pytorch", "pytorch_lightning": "pytorch_lightning"}
"""Where the integrations' classes are."""


@contextmanager
def observing(trainer: Any, observer: Any) -> Iterator[None]:
    """Have a callback in the trainer's list for the time of a call.

    In the list itself, since others may change it meanwhile; a module with callbacks of its own gives the trainer a new one.
    """
    before = trainer.callbacks
    before.insert(0, observer)
    try:
        yield
    finally:
        for callbacks in (before, trainer.callbacks):
            callbacks[:] = [callback for callback in callbacks if callback is not observer]


def training_observer(integration: str, training: Training) -> Any:
    return _training_observer_class(integration)(training)


def evaluation_observer(integration: str, capture: Capture, role: data.Role) -> Any:
    return _evaluation_observer_class(integration)(capture, role)


@functools.cache
def _training_observer_class(integration: str) -> Callable[[Training], Any]:
    """The callback's class, made when Lightning is there to inherit from."""
    callback = import_module(_PACKAGES[integration]).Callback

    class TrainingObserver(callback):  # type: ignore[misc, valid-type] # known when it is imported
        """Logs a training. First of the callbacks: after others it would not see what these raise in."""

        def __init__(self, training: Training) -> None:
            self.training = training
            self.capture = training.capture
            self.metrics = training.metrics
            self.phase: Phase | None = None
            self.example: Any = None
            self.began = False
            self.terminated = False
            self._validation: Phase | None = None
            self._rates: dict[str, float] = {}
            self._epoch = 0
            self._epoch_is_over = False

        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            self.began = True
            self._epoch = trainer.current_epoch
            with self.capture.guard("params"):
                self.training.params.log_optimizers(trainer)
            with self.capture.guard("early stopping"):
                early_stopping.begin(self.training, trainer)
            with self.capture.guard("model summary"):
                counts = model.log_summary(self.capture, trainer, pl_module)
                self.training.params.log(counts, "derived", "model")
            with self.capture.guard("datasets"):
                data.log(self.capture, "train", trainer.train_dataloader)
                data.log(self.capture, "eval", trainer.val_dataloaders)

        def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002 - Lightning's names
            self._log_epoch(trainer)
            self._epoch = trainer.current_epoch

        def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:  # noqa: ARG002
            # Lightning takes up what a step has logged when the hooks of its end are over: it is read before the next one.
            with self.capture.guard("metrics"):
                self.metrics.log_step(trainer, self._rates)
                self._rates = learning_rates(trainer.optimizers)
            if self.phase is not None and not self.phase.samples and self.capture.options.log_models:
                with self.capture.guard("input example"):
                    self.example = data.example(pl_module, batch)

        def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:  # noqa: ARG002
            if self.phase is not None:
                self.phase.samples += data.rows(batch)

        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
            with self.capture.guard("metrics"):
                self.metrics.log_step(trainer, self._rates)
                self.metrics.end_steps(trainer)
                self._epoch_is_over = True

        def on_train_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
            self._log_epoch(trainer)

        def on_validation_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
            if trainer.sanity_checking:
                return
            with self.capture.guard("metrics"):
                self.metrics.log_step(trainer, self._rates)
                self.metrics.end_steps(trainer)
            self._validation = self.capture.phase("validate", self._step_of_validation(trainer)).__enter__()

        def on_validation_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, *_: Any) -> None:  # noqa: ARG002
            if self._validation is not None:
                self._validation.samples += data.rows(batch)

        def on_validation_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
            if self._validation is None:
                return
            self._validation.__exit__(None, None, None)
            self._validation = None
            with self.capture.guard("metrics"):
                self.metrics.log_epoch(trainer, self._step_of_validation(trainer), self._epoch)

        def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:  # noqa: ARG002
            self.terminated = type(exception).__name__ == "SIGTERMException"
            if self._epoch_is_over:
                self._log_epoch(trainer)
            elif not trainer.sanity_checking:
                with self.capture.guard("metrics"):
                    self.metrics.log_step(trainer, self._rates)

        def _log_epoch(self, trainer: Any) -> None:
            """Log an epoch's metrics, which Lightning computes when the hooks of its end are over."""
            if self._epoch_is_over:
                self._epoch_is_over = False
                with self.capture.guard("metrics"):
                    self.metrics.log_epoch(trainer, self._epoch, self._epoch)

        def _step_of_validation(self, trainer: Any) -> int:
            every, batches = trainer.val_check_batch, trainer.num_training_batches
            often = every is None or every < batches or trainer.check_val_every_n_epoch is None
            return int(trainer.global_step) if often else self._epoch

        def __reduce__(self) -> tuple[Any, tuple[()]]:
            """A copy, in a process that the trainer starts, does nothing, and can be read without Reticent."""
            return callback, ()

    return TrainingObserver


@functools.cache
def _evaluation_observer_class(integration: str) -> Callable[[Capture, data.Role], Any]:
    callback = import_module(_PACKAGES[integration]).Callback

    class EvaluationObserver(callback):  # type: ignore[misc, valid-type] # known when it is imported
        """Describes the data of a validation, test or prediction, and counts it."""

        def __init__(self, capture: Capture, role: data.Role) -> None:
            self.capture = capture
            self.role = role
            self.phase: Phase | None = None

        def on_validation_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002 - Lightning's names
            self._describe(trainer.val_dataloaders)

        def on_test_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
            self._describe(trainer.test_dataloaders)

        def on_predict_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
            self._describe(trainer.predict_dataloaders)

        def on_validation_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, *_: Any) -> None:  # noqa: ARG002
            if self.phase is not None:
                self.phase.samples += data.rows(batch)

        on_test_batch_end = on_validation_batch_end
        on_predict_batch_end = on_validation_batch_end

        def _describe(self, loaders: Any) -> None:
            with self.capture.guard("datasets"):
                data.log(self.capture, self.role, loaders)

        def __reduce__(self) -> tuple[Any, tuple[()]]:
            return callback, ()

    return EvaluationObserver
