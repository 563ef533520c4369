"""Early stopping by Lightning's callback, in the terms that all integrations share."""

from __future__ import annotations

import math
from typing import Any

from reticent.patching import EarlyStopping
from reticent.patching.early_stopping import Reason
from reticent_integrations.lightning.metrics import Look
from reticent_integrations.lightning.training import Training

_STOPS = ("not finite", "threshold reached", "diverged", "no improvement")


def begin(known: Training, trainer: Any) -> None:
    """Log what the callbacks are told, the module's own among them, and follow what they monitor."""
    known.params.log_early_stopping(trainer.early_stopping_callbacks)
    known.metrics.watched.update({callback.monitor: [] for callback in trainer.early_stopping_callbacks})


def log(known: Training, trainer: Any) -> None:
    """Log what came of it; of several callbacks, what came of the one that stopped the training."""
    if trainer.fast_dev_run:
        return  # then they do not look
    watched = known.metrics.watched
    looked = [one for one in trainer.early_stopping_callbacks if watched.get(one.monitor)]
    outcomes = [(one, _reason(one, watched[one.monitor], trainer)) for one in looked]
    if not outcomes:
        return  # no epoch was trained, or none that these callbacks looked at
    stopped = [(one, reason) for one, reason in outcomes if reason in _STOPS]
    callback, reason = (stopped or outcomes)[0]
    looks = watched[callback.monitor]
    last, best_score = looks[-1], float(callback.best_score)
    # If it is none of these, it is from before the checkpoint that this fit went on from, one look an epoch.
    before = last.step - callback.wait_count
    best_step = next((look.step for look in looks if float(look.value) == best_score), before)
    known.capture.log_early_stopping(
        EarlyStopping(callback.monitor, best_step, last.step, best_score, reason, callback.patience)
    )
    known.capture.log_metrics({"stopped_epoch": last.epoch, "wait_count": callback.wait_count}, last.step)
    known.params.log({"stopped_epoch": last.epoch}, "derived", "early_stopping")


def _reason(callback: Any, looks: list[Look], trainer: Any) -> Reason:
    """Why the training ended, as the callback decides on it."""
    last, better = looks[-1].value, callback.monitor_op
    if callback.check_finite and not math.isfinite(float(last)):
        return "not finite"
    if callback.stopping_threshold is not None and better(last, callback.stopping_threshold):
        return "threshold reached"
    if callback.divergence_threshold is not None and better(-last, -callback.divergence_threshold):
        return "diverged"
    if callback.wait_count >= callback.patience:
        return "no improvement"
    if trainer.current_epoch >= _limit(trainer.max_epochs) or trainer.global_step >= _limit(trainer.max_steps):
        return "all steps trained"
    return "stopped otherwise"


def _limit(number: int | None) -> float:
    return math.inf if number is None or number == -1 else number
