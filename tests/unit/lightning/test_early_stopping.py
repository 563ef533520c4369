"""Early stopping, by the callback of either package, in the schema that all frameworks share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from reticent.testing import Captured

from .conftest import PACKAGES, Module, Steps, make_loader, make_trainer, origins


def scripted(package: Any, scores: list[float], monitor: str = "score") -> Any:
    """A module whose validations give these scores, epoch by epoch."""

    class Scripted(Steps, package.LightningModule):  # type: ignore[misc]
        def validation_step(self, batch: Any) -> None:
            self.log(monitor, scores[self.current_epoch])

    return Scripted()


def stop(package: Any, scores: list[float], **options: Any) -> Any:
    callback = package.callbacks.EarlyStopping("score", **options)
    trainer = make_trainer(package, max_epochs=len(scores), callbacks=[callback])
    trainer.fit(scripted(package, scores), make_loader(), make_loader(8))
    return callback


@pytest.mark.parametrize("package", PACKAGES.values(), ids=PACKAGES)
@pytest.mark.parametrize(
    ("scores", "options", "reason", "best", "stopped"),
    [
        ([3, 2, 2.5, 2.6, 9, 9], {"patience": 2}, "no improvement", 1, 3),
        ([1, 5, 4, 3], {"patience": 2, "mode": "max"}, "no improvement", 1, 3),
        ([3, 2, 1], {"patience": 2}, "all steps trained", 2, 2),
        ([3, 0.5, 9], {"stopping_threshold": 1.0}, "threshold reached", 0, 1),
        ([3, 70, 9], {"divergence_threshold": 50.0}, "diverged", 0, 1),
        ([3, 2, float("nan"), 9], {}, "not finite", 1, 2),
        ([3, 2.95, 2.9, 9, 9], {"patience": 2, "min_delta": 0.5}, "no improvement", 0, 2),
    ],
)
def test_the_reason_and_the_best(
    package: Any,
    scores: list[float],
    options: dict[str, Any],
    reason: str,
    best: int,
    stopped: int,
    only_run: Callable[[], Captured],
) -> None:
    callback = stop(package, scores, **options)
    run = only_run()
    assert run.tags["early_stopping_reason"] == reason
    assert run.tags["early_stopping_monitor"] == "score"
    assert run.metrics["best_step"] == [(stopped, best)]
    assert "restored_epoch" not in run.metrics, "the callback leaves the weights as they are"
    assert run.metrics["stopped_step"] == run.metrics["stopped_epoch"] == [(stopped, stopped)]
    assert run.metrics["best_score"] == [(stopped, float(callback.best_score))]
    assert run.metrics["wait_count"] == [(stopped, callback.wait_count)]
    assert run.params["stopped_epoch"] == str(stopped)
    assert len(run.metrics["score"]) == stopped + 1


def test_what_it_was_told(autolog: Path, only_run: Callable[[], Captured]) -> None:
    stop(PACKAGES["lightning"], [3, 2], min_delta=0.1, mode="min")
    params, origin = only_run().params, origins(autolog)
    told = {name: params[name] for name in ("monitor", "mode", "patience", "min_delta")}
    assert told == {"monitor": "score", "mode": "min", "patience": "3", "min_delta": "0.1"}
    assert [origin[name] for name in told] == ["explicit", "default", "default", "explicit"]


def test_of_two_callbacks_the_one_that_stopped_the_training(only_run: Callable[[], Captured]) -> None:
    pl = PACKAGES["lightning"]
    callbacks = [pl.callbacks.EarlyStopping("val_loss", patience=50), pl.callbacks.EarlyStopping("rising", patience=2)]

    class Both(Module):
        def validation_step(self, batch: Any) -> None:
            super().validation_step(batch)
            self.log("rising", float(self.current_epoch))

    make_trainer(max_epochs=9, callbacks=callbacks).fit(Both(), make_loader(), make_loader())
    run = only_run()
    assert run.tags["early_stopping_monitor"] == "rising"
    assert run.metrics["stopped_step"] == [(2, 2)]
    assert (run.params["monitor"], run.params["early_stopping_2.monitor"]) == ("val_loss", "rising")


def test_steps_are_those_of_the_monitored_metric(only_run: Callable[[], Captured]) -> None:
    pl = PACKAGES["lightning"]
    callback = pl.callbacks.EarlyStopping("train_loss", patience=50, check_on_train_epoch_end=True)
    module = Module()
    make_trainer(max_epochs=2, callbacks=[callback]).fit(module, make_loader())
    run = only_run()
    ends = {5: module.seen["train"][4], 10: module.seen["train"][9]}
    assert [float(torch.tensor(value)) for _, value in run.metrics["best_score"]] == [min(ends.values())]
    ((at, best),) = run.metrics["best_step"]
    assert (at, ends[int(best)]) == (10, min(ends.values()))
    assert run.metrics["stopped_epoch"] == [(10, 1)]


def test_no_early_stopping_of_a_fast_dev_run(only_run: Callable[[], Captured]) -> None:
    pl = PACKAGES["lightning"]
    trainer = make_trainer(pl, fast_dev_run=True, callbacks=[pl.callbacks.EarlyStopping("val_loss")])
    trainer.fit(Module(), make_loader(), make_loader())
    run = only_run()
    assert run.status == "FINISHED"
    assert run.params["fast_dev_run"] == "True"
    assert len(run.metrics["train_loss"]) == 1
    assert "best_score" not in run.metrics
