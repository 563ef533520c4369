"""The checkpoints that Lightning writes are kept, the best and the last; what is in them is Lightning's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins.io import AsyncCheckpointIO

import reticent
from reticent.testing import Captured, captured

from .conftest import OTHERS, Module, make_loader, make_trainer

SCORES = [3.0, 1.0, 2.0, 4.0]


class Scripted(Module):
    """Validations give these scores, epoch by epoch."""

    def validation_step(self, batch: Any) -> None:
        self.log("score", SCORES[self.current_epoch])


def train(*checkpoints: ModelCheckpoint, **options: Any) -> Any:
    told = {"max_epochs": len(SCORES), "callbacks": list(checkpoints), "enable_checkpointing": True, **options}
    trainer = make_trainer(**told)
    trainer.fit(Scripted(), make_loader(), make_loader(8))
    return trainer


def kept(root: Path, run: Captured) -> list[str]:
    return [path.name for path in (root / "runs" / run.run_id / "artifacts").rglob("*.ckpt")]


def content(root: Path, run: Captured, tag: str) -> bytes:
    return (root / "runs" / run.run_id / "artifacts" / run.tags[tag]).read_bytes()


def test_the_best_and_the_last_are_kept_as_they_were(
    autolog: Path, only_run: Callable[[], Captured], tmp_path: Path
) -> None:
    checkpoint = ModelCheckpoint(tmp_path / "own", monitor="score", save_top_k=-1)
    train(checkpoint)
    run = only_run()
    assert run.tags["checkpoint_best"] == "checkpoints/step_10/epoch=1-step=10.ckpt"
    assert run.tags["checkpoint_last"] == "checkpoints/step_20/epoch=3-step=20.ckpt"
    assert len(kept(autolog, run)) == 2
    assert content(autolog, run, "checkpoint_best") == Path(checkpoint.best_model_path).read_bytes()
    assert content(autolog, run, "checkpoint_last") == (tmp_path / "own" / "epoch=3-step=20.ckpt").read_bytes()


def test_more_is_better_where_the_callback_says_so(only_run: Callable[[], Captured], tmp_path: Path) -> None:
    train(ModelCheckpoint(tmp_path / "own", monitor="score", mode="max"))
    assert only_run().tags["checkpoint_best"] == "checkpoints/step_20/epoch=3-step=20.ckpt"


def test_files_that_lightning_deletes_again_are_kept(
    autolog: Path, only_run: Callable[[], Captured], tmp_path: Path
) -> None:
    train(ModelCheckpoint(tmp_path / "own", monitor="score", save_last=True))
    run = only_run()
    assert run.tags["checkpoint_best"] == "checkpoints/step_10/epoch=1-step=10.ckpt"
    saved = torch.load(autolog / "runs" / run.run_id / "artifacts" / run.tags["checkpoint_best"], weights_only=False)
    assert saved["global_step"] == 10


def test_scores_of_several_callbacks_do_not_compete(only_run: Callable[[], Captured], tmp_path: Path) -> None:
    first = ModelCheckpoint(tmp_path / "first", monitor="score")
    others = ModelCheckpoint(tmp_path / "second", monitor="step", every_n_train_steps=3, save_top_k=-1)
    train(first, others)
    run = only_run()
    assert run.tags["checkpoint_best"].startswith("checkpoints/step_10/")
    assert run.tags["checkpoint_last"].startswith("checkpoints/step_18/")


def test_checkpoints_written_in_the_background_are_kept_too(only_run: Callable[[], Captured], tmp_path: Path) -> None:
    train(ModelCheckpoint(tmp_path / "own", monitor="score", save_top_k=-1), plugins=[AsyncCheckpointIO()])
    run = only_run()
    assert run.tags["checkpoint_best"].startswith("checkpoints/step_10/")
    assert run.tags["checkpoint_last"].startswith("checkpoints/step_20/")


def test_a_checkpoint_that_the_user_saves_after_the_training(only_run: Callable[[], Captured], tmp_path: Path) -> None:
    trainer = make_trainer(max_epochs=1)
    trainer.fit(Module(), make_loader())
    trainer.save_checkpoint(tmp_path / "final.ckpt")
    assert only_run().tags["checkpoint_last"] == "checkpoints/step_5/final.ckpt"


def test_checkpoints_hold_nothing_of_autologging(autolog: Path, tmp_path: Path) -> None:
    found = []
    for name in ("with", "without"):
        pl.seed_everything(1)
        checkpoint = ModelCheckpoint(tmp_path / name, monitor="score")
        train(checkpoint)
        assert "reticent" not in Path(checkpoint.best_model_path).read_bytes().decode("latin-1").lower()
        loaded = torch.load(checkpoint.best_model_path, weights_only=False)
        found.append(repr(loaded).replace(str(tmp_path / name), ""))
        reticent.autolog(disable=True)
    assert found[0] == found[1]


def test_a_fast_dev_run_has_none(autolog: Path, only_run: Callable[[], Captured], tmp_path: Path) -> None:
    train(ModelCheckpoint(tmp_path / "own"), fast_dev_run=True)
    assert kept(autolog, only_run()) == []


def resume(ckpt_path: Any, *checkpoints: ModelCheckpoint, max_epochs: int = 4) -> None:
    resumed = make_trainer(max_epochs=max_epochs, callbacks=list(checkpoints), enable_checkpointing=bool(checkpoints))
    resumed.fit(Scripted(), make_loader(), make_loader(8), ckpt_path=ckpt_path)


@pytest.mark.parametrize("which", ["path", "last"])
def test_a_resumed_training_goes_on_in_its_run(
    which: str, autolog: Path, only_run: Callable[[], Captured], tmp_path: Path
) -> None:
    train(ModelCheckpoint(tmp_path / "own", save_last=True), max_epochs=2)
    first = only_run()
    if which == "path":
        resume(tmp_path / "own" / "last.ckpt")
    else:
        resume("last", ModelCheckpoint(tmp_path / "own", save_last=True))
    run = only_run()
    assert run.run_id == first.run_id
    assert [step for step, _ in run.metrics["train_loss"]] == list(range(1, 21))
    assert run.metrics["score"] == list(enumerate(SCORES))
    assert run.params["max_epochs"] == "4"
    assert set(run.models) == {"model"}


def test_the_best_checkpoint_of_the_same_trainer(only_run: Callable[[], Captured], tmp_path: Path) -> None:
    trainer = train(ModelCheckpoint(tmp_path / "own", monitor="score"), max_epochs=3)
    trainer.fit_loop.max_epochs = 4
    trainer.fit(Scripted(), make_loader(), make_loader(8), ckpt_path="best")
    run = only_run()
    assert {epoch for epoch, _ in run.metrics["score"]} == {0, 1, 2, 3}


def test_a_failed_training_that_is_resumed_has_not_failed(autolog: Path, tmp_path: Path) -> None:
    class Failing(pl.Callback):  # type: ignore[misc] # Lightning's classes are not typed
        def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
            if trainer.current_epoch == 2:
                raise ConnectionError

    with pytest.raises(ConnectionError):
        train(
            ModelCheckpoint(tmp_path / "own", save_last=True), callbacks=[ModelCheckpoint(tmp_path / "own"), Failing()]
        )
    (failed,) = captured(autolog)
    assert failed.status == "FAILED"
    resume(tmp_path / "own" / "epoch=1-step=10.ckpt")
    (run,) = captured(autolog)
    assert (run.run_id, run.status) == (failed.run_id, "FINISHED")


def test_each_checkpoint_is_of_the_training_that_wrote_it(autolog: Path, tmp_path: Path) -> None:
    """Though others write to the same directory."""
    first, second = (train(ModelCheckpoint(tmp_path / "own"), max_epochs=1) for _ in range(2))
    assert (
        Path(first.checkpoint_callback.best_model_path).parent
        == Path(second.checkpoint_callback.best_model_path).parent
    )
    resume(first.checkpoint_callback.best_model_path, max_epochs=2)
    resumed, untouched = captured(autolog)
    assert len(resumed.metrics["score"]) == 2
    assert len(untouched.metrics["score"]) == 1


def test_a_training_from_a_foreign_checkpoint_or_in_a_run_of_the_users(autolog: Path, tmp_path: Path) -> None:
    trainer = train(ModelCheckpoint(tmp_path / "own"), max_epochs=1)
    written = Path(trainer.checkpoint_callback.best_model_path)
    written.rename(tmp_path / "moved.ckpt")
    resume(tmp_path / "moved.ckpt", max_epochs=2)
    with reticent.start_run() as run:
        resume(tmp_path / "moved.ckpt", max_epochs=2)
    assert len(captured(autolog)) == 3
    assert captured(autolog)[-1].run_id == run.run_id


@pytest.mark.parametrize("which", ["none", "last"])
def test_only_what_is_wanted(which: str, autolog: Path, only_run: Callable[[], Captured], tmp_path: Path) -> None:
    reticent.autolog(lightning={"checkpoints": which}, **OTHERS)
    train(ModelCheckpoint(tmp_path / "own", monitor="score", save_top_k=-1))
    assert kept(autolog, only_run()) == {"none": [], "last": ["epoch=3-step=20.ckpt"]}[which]
