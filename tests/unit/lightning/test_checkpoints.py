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


def test_a_resumed_training_goes_on_with_its_steps(autolog: Path, tmp_path: Path) -> None:
    trainer = train(ModelCheckpoint(tmp_path / "own", save_last=True), max_epochs=2)
    resumed = make_trainer(max_epochs=4)
    resumed.fit(Scripted(), make_loader(), make_loader(8), ckpt_path=trainer.checkpoint_callback.last_model_path)
    _, run = captured(autolog)
    assert [step for step, _ in run.metrics["train_loss"]] == list(range(11, 21))
    assert run.metrics["score"] == [(2, 2.0), (3, 4.0)]
    assert run.warnings == []


@pytest.mark.parametrize("which", ["none", "last"])
def test_only_what_is_wanted(which: str, autolog: Path, only_run: Callable[[], Captured], tmp_path: Path) -> None:
    reticent.autolog(lightning={"checkpoints": which}, **OTHERS)
    train(ModelCheckpoint(tmp_path / "own", monitor="score", save_top_k=-1))
    assert kept(autolog, only_run()) == {"none": [], "last": ["epoch=3-step=20.ckpt"]}[which]
