"""Early stopping by Transformers' callback, in the terms that all integrations share."""

from __future__ import annotations

from typing import Any

from reticent.patching import Capture, EarlyStopping
from reticent.patching.early_stopping import Reason
from reticent_integrations.transformers.trainers import monitored


def callback(trainer: Any) -> Any:
    """The user's callback for early stopping, or None."""
    from transformers import EarlyStoppingCallback

    callbacks = trainer.callback_handler.callbacks
    return next((one for one in callbacks if isinstance(one, EarlyStoppingCallback)), None)


def log(capture: Capture, trainer: Any, stopping: Any) -> None:
    state = trainer.state
    monitor, mode = monitored(trainer.args)
    points = [(logs["step"], float(logs[monitor])) for logs in state.log_history if monitor in logs]
    if not points:
        return  # not one evaluation
    best_step, best_score = (max if mode == "max" else min)(points, key=lambda point: point[1])
    reason: Reason = "stopped otherwise"
    if stopping.early_stopping_patience_counter >= stopping.early_stopping_patience:
        reason = "no improvement"
    elif state.global_step >= state.max_steps:
        reason = "all steps trained"
    patience = stopping.early_stopping_patience
    capture.log_early_stopping(EarlyStopping(monitor, best_step, state.global_step, best_score, reason, patience))
