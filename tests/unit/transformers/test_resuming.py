"""A training that is resumed from a checkpoint goes on in the run that wrote it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from transformers import TrainerCallback

import reticent
from reticent.testing import captured

from .conftest import MakeTrainer

SAVING = {"save_strategy": "steps", "save_steps": 2}

DIES = """
import os, signal, sys
import reticent
reticent.autolog()
from pathlib import Path
from tests.contract import tiny_trainers
from transformers import TrainerCallback

class Dying(TrainerCallback):
    def on_step_end(self, args, state, control, **parts):
        if state.global_step == 5:
            os.kill(os.getpid(), signal.SIGKILL)

tiny_trainers.trainer(Path(sys.argv[1]), save_strategy="steps", save_steps=2, parts={"callbacks": [Dying()]}).train()
"""


class Failing(TrainerCallback):  # type: ignore[misc] # Transformers' classes are not typed
    def on_step_end(self, args: Any, state: Any, control: Any, **parts: Any) -> None:
        if state.global_step == 5:
            raise ConnectionError


def fail(make_trainer: MakeTrainer) -> None:
    with pytest.raises(ConnectionError):
        make_trainer(parts={"callbacks": [Failing()]}, **SAVING).train()


@pytest.mark.parametrize("by_path", [False, True])
def test_the_same_run_goes_on(by_path: bool, root: Path, tmp_path: Path, make_trainer: MakeTrainer) -> None:
    fail(make_trainer)
    (failed,) = captured(root)
    assert failed.status == "FAILED"
    make_trainer(**SAVING).train(resume_from_checkpoint=str(tmp_path / "out" / "checkpoint-4") if by_path else True)
    (run,) = captured(root)
    assert (run.run_id, run.status) == (failed.run_id, "FINISHED")
    assert sorted(step for step, _ in run.metrics["loss"]) == [1, 2, 3, 4, 5, 6]
    assert [step for step, _ in sorted(run.metrics["eval_loss"])] == [3, 6]
    assert run.tags["checkpoint_last"] == "checkpoints/step_6/checkpoint-6"
    assert run.warnings == []
    assert run.models == ["model"]


def test_more_steps_of_a_finished_training_are_no_trouble(root: Path, make_trainer: MakeTrainer) -> None:
    make_trainer(**SAVING).train()
    make_trainer(max_steps=9, **SAVING).train(resume_from_checkpoint=True)
    (run,) = captured(root)
    assert sorted(step for step, _ in run.metrics["loss"]) == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert run.params["max_steps"] == "9"
    assert run.warnings == []


def test_a_killed_process_is_continued_by_another(root: Path, tmp_path: Path, make_trainer: MakeTrainer) -> None:
    environment = {**os.environ, "RETICENT_DIR": str(root), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", DIES, str(tmp_path / "out")]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=120)
    assert done.returncode == -9, done.stderr.decode()
    make_trainer(**SAVING).train(resume_from_checkpoint=True)
    (run,) = captured(root)
    assert run.status == "FINISHED"
    assert sorted({step for step, _ in run.metrics["loss"]}) == [1, 2, 3, 4, 5, 6]


def test_another_directory_is_another_run(root: Path, tmp_path: Path, make_trainer: MakeTrainer) -> None:
    fail(make_trainer)
    (tmp_path / "out").rename(tmp_path / "moved")
    make_trainer(**SAVING).train(resume_from_checkpoint=str(tmp_path / "moved" / "checkpoint-4"))
    assert len(captured(root)) == 2


def test_a_training_from_the_start_is_a_new_run(root: Path, make_trainer: MakeTrainer) -> None:
    fail(make_trainer)
    make_trainer(**SAVING).train()
    assert [run.status for run in captured(root)] == ["FAILED", "FINISHED"]


def test_the_users_own_run_comes_first(root: Path, make_trainer: MakeTrainer) -> None:
    fail(make_trainer)
    with reticent.start_run() as run:
        make_trainer(**SAVING).train(resume_from_checkpoint=True)
    _, own = captured(root)
    assert own.run_id == run.run_id
    assert sorted(step for step, _ in own.metrics["loss"]) == [5, 6]


def test_nothing_tells_where_the_training_writes(root: Path, tmp_path: Path, make_trainer: MakeTrainer) -> None:
    fail(make_trainer)
    (note,) = (root / "resumable").iterdir()
    (run,) = captured(root)
    assert note.read_text() == run.run_id
    assert str(tmp_path) not in note.name
    files = {path.name for path in (tmp_path / "out" / "checkpoint-4").iterdir()}
    assert not [name for name in files if "reticent" in name or "run" in name]
