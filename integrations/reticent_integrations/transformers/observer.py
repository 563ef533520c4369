"""The callback that logs while a Trainer trains: its logs by global step, the checkpoints that it writes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reticent.patching import Capture
from reticent_integrations.transformers import data, params
from reticent_integrations.transformers.first_batch import FirstBatch
from reticent_integrations.transformers.trainers import monitored, numbers


@functools.cache
def observer_class() -> Callable[..., Any]:
    """The callback's class, made when Transformers is there to inherit from."""
    from transformers import TrainerCallback

    class Observer(TrainerCallback):  # type: ignore[misc] # Transformers' classes are not typed
        """Logs what a Trainer tells while it trains; keeps no state that a checkpoint would have."""

        def __init__(self, capture: Capture, trainer: Any, trial: Any = None) -> None:
            self.capture = capture
            self.trainer = trainer
            self.trial = trial
            self.began = False
            self.first_batch = FirstBatch()

        def on_train_begin(self, args: Any, state: Any, control: Any, **parts: Any) -> None:  # noqa: ARG002 - as called
            if self.began:  # with another batch size, as the first one was too large
                return
            self.began = True
            params.log(self.capture, self.trainer, parts.get("optimizer"), parts.get("lr_scheduler"))
            with self.capture.guard("data sets"):
                data.log(self.capture, self.trainer)
            with self.capture.guard("first batch"):
                self.first_batch.await_from(self.trainer)

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **parts: Any) -> None:  # noqa: ARG002
            with self.capture.guard("metrics"):
                found = numbers(logs or {})
                log = self.capture.log_step if "loss" in found else self.capture.log_metrics
                log(found, state.global_step)

        def on_predict(self, args: Any, state: Any, control: Any, metrics: Any = None, **parts: Any) -> None:  # noqa: ARG002
            with self.capture.guard("metrics"):
                self.capture.log_metrics(numbers(metrics or {}), state.global_step)

        def on_save(self, args: Any, state: Any, control: Any, **parts: Any) -> None:  # noqa: ARG002
            with self.capture.guard("checkpoints"):
                directory = Path(self.trainer._get_output_dir(trial=self.trial))
                checkpoint = directory / f"checkpoint-{state.global_step}"
                if checkpoint.is_dir():
                    self.capture.resumable_from(directory)
                    monitor, mode = monitored(args)
                    score = _score(state, monitor)
                    self.capture.log_checkpoint(checkpoint, state.global_step, score, monitor=monitor, mode=mode)

        def __reduce__(self) -> tuple[Any, tuple[()]]:
            """A copy does nothing, and can be read where Reticent is not installed."""
            return TrainerCallback, ()

    return Observer


@contextmanager
def watching(trainer: Any, observer: Any) -> Iterator[None]:
    """Have a Trainer call the observer; afterwards its callbacks are the user's again."""
    # First, not last: others take from the logs what they do not want to show, or raise.
    trainer.callback_handler.callbacks.insert(0, observer)
    try:
        yield
    finally:
        callbacks = trainer.callback_handler.callbacks
        callbacks[:] = [callback for callback in callbacks if callback is not observer]
        observer.first_batch.stop()


def is_watched(trainer: Any) -> bool:
    return any(type(callback) is observer_class() for callback in trainer.callback_handler.callbacks)


def _score(state: Any, monitor: str) -> float | None:
    """The metric of the evaluation at this step, if there was one."""
    for logs in reversed(state.log_history):
        if logs.get("step") != state.global_step:
            return None
        if monitor in logs:
            return float(logs[monitor])
    return None
