"""Early stopping, as the callback says it, in the terms that all integrations share."""

from __future__ import annotations

import math
from typing import Any

from reticent.patching import Capture, EarlyStopping
from reticent.patching.early_stopping import Reason
from reticent_integrations.keras.epochs import Epochs

PARAMS = ("monitor", "min_delta", "patience", "baseline", "restore_best_weights")


def among(callbacks: list[Any]) -> Any:
    """The first of the user's callbacks that stops the training early; None if there is none."""
    import keras

    return next((one for one in callbacks if isinstance(one, keras.callbacks.EarlyStopping)), None)


def log(capture: Capture, stopping: Any, epochs: Epochs, all_epochs: int) -> None:
    best = getattr(stopping, "best", None)
    if best is None or not epochs.trained:
        return  # there is no such callback, or what it monitors was never there
    reason: Reason = "stopped otherwise"
    if stopping.stopped_epoch > 0:
        reason = "no improvement"
    elif any(isinstance(value, float) and not math.isfinite(value) for value in epochs.logs.values()):
        reason = "not finite"
    elif epochs.epoch + 1 >= all_epochs:
        reason = "all steps trained"
    found = EarlyStopping(
        stopping.monitor, int(stopping.best_epoch), epochs.epoch, float(best), reason, int(stopping.patience)
    )
    capture.log_early_stopping(found)
    if stopping.stopped_epoch > 0:
        capture.log_metric("stopped_epoch", stopping.stopped_epoch, epochs.epoch)
    if stopping.restore_best_weights:
        capture.log_metric("restored_epoch", stopping.best_epoch, epochs.epoch)
