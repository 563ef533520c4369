"""Which checkpoints a run keeps, and that the others are gone from it and from the store."""

from __future__ import annotations

import errno
import json
import time
from pathlib import Path
from typing import Literal

import pytest

import reticent
from reticent import artifacts, guard, sessions
from reticent.patching import Capture, Options
from reticent.records import Artifact
from reticent.recovery import events
from reticent.runlog import RunReader
from reticent.testing import captured


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def kept(run: reticent.Run) -> list[str]:
    assert reticent.flush(20)
    (found,) = [one for one in reticent.search_runs() if one.run_id == run.run_id]
    stored = sorted(artifact.path for artifact in found.artifacts())
    artifacts = run.directory / "artifacts"
    assert stored == sorted(path.relative_to(artifacts).as_posix() for path in artifacts.rglob("*") if path.is_file())
    for path in stored:
        assert found.artifact_path(path).read_text()
    stored = [path for path in stored if not path.endswith(".json")]
    contents = {path.read_text() for path in (run.directory.parents[1] / "blobs").rglob("*") if path.is_file()}
    assert {text for text in contents if not text.startswith("[")} == {
        found.artifact_path(path).read_text() for path in stored
    }, "what was removed still takes space in the store"
    return stored


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ({}, [2, 5]),
        ({"checkpoints": "best"}, [2]),
        ({"checkpoints": "last", "keep": 2}, [4, 5]),
        ({"keep": 2}, [2, 3, 4, 5]),
        ({"checkpoints": "none"}, []),
        ({"exclude": ("checkpoints/*",)}, []),
    ],
)
def test_the_best_and_the_last_are_kept(
    options: dict[str, object], steps: list[int], root: Path, tmp_path: Path
) -> None:
    losses = {1: 0.9, 2: 0.1, 3: 0.5, 4: 0.6, 5: 0.7}
    with reticent.start_run() as run:
        capture = Capture(run, "", Options(**options), "test")
        for step, loss in losses.items():
            # One file, written over: what was logged is how it was then.
            file = write(tmp_path / "weights.bin", f"weights {step}")
            capture.log_checkpoint(file, step, loss, monitor="loss")
            assert reticent.flush(20)
    assert kept(run) == [f"checkpoints/step_{step}/weights.bin" for step in steps]
    for step in steps:
        assert (run.directory / f"artifacts/checkpoints/step_{step}/weights.bin").read_text() == f"weights {step}"


def test_tags_say_which_is_the_best_and_the_last(root: Path, tmp_path: Path) -> None:
    with reticent.start_run() as run:
        capture = Capture(run, "fit_2.", Options(), "test")
        for step, score in enumerate([0.5, 0.9, 0.7]):
            file = write(tmp_path / f"epoch={step}.ckpt", f"weights {step}")
            capture.log_checkpoint(file, step, score, monitor="accuracy", mode="max")
    (found,) = captured(root)
    assert found.tags["fit_2.checkpoint_best"] == "fit_2.checkpoints/step_1/epoch=1.ckpt"
    assert found.tags["fit_2.checkpoint_last"] == "fit_2.checkpoints/step_2/epoch=2.ckpt"
    assert found.warnings == []


def test_one_step_has_one_checkpoint(root: Path, tmp_path: Path) -> None:
    with reticent.start_run() as run:
        capture = Capture(run, "", Options(), "test")
        capture.log_checkpoint(write(tmp_path / "last.ckpt", "weights"), 1)
        capture.log_checkpoint(write(tmp_path / "epoch=1.ckpt", "weights"), 1, 0.5)
        capture.log_checkpoint(write(tmp_path / "epoch=2.ckpt", "others"), 2, 0.7)
    assert kept(run) == ["checkpoints/step_1/last.ckpt", "checkpoints/step_2/epoch=2.ckpt"]


def test_a_step_that_turns_out_to_be_the_best_takes_the_place_of_the_one_before(root: Path, tmp_path: Path) -> None:
    with reticent.start_run() as run:
        capture = Capture(run, "", Options(), "test")
        for step in (1, 2, 3):
            capture.log_checkpoint(write(tmp_path / f"epoch_{step}.pt", f"weights {step}"), step)
            capture.log_checkpoint(write(tmp_path / "best.pt", f"weights {step}"), step, step, mode="max")
    assert kept(run) == ["checkpoints/step_3/epoch_3.pt"]


def test_parts_of_one_step_are_kept_each_under_its_name(root: Path, tmp_path: Path) -> None:
    def train(run: reticent.Run, steps: range) -> None:
        capture = Capture(run, "", Options(), "test")
        for step in steps:
            for name in ("decoder.pt", "encoder.pt"):
                capture.log_checkpoint(write(tmp_path / name, f"{name} {step}"), step, part=name)
            if step in (2, 3):
                capture.log_checkpoint(write(tmp_path / "best.pt", f"best {step}"), step, mode="newest", part="best.pt")

    with reticent.start_run() as run:
        train(run, range(1, 4))
    with reticent.start_run(run_id=run.run_id) as run:
        train(run, range(3, 6))
    names = ["step_3/best.pt", "step_5/decoder.pt", "step_5/encoder.pt"]
    assert kept(run) == [f"checkpoints/{name}" for name in names]
    (found,) = captured(root)
    assert found.tags["checkpoint_best"] == "checkpoints/step_3/best.pt"
    assert found.tags["checkpoint_last"] == "checkpoints/step_5/decoder.pt"
    table = json.loads((run.directory / "artifacts/checkpoints/checkpoints.json").read_bytes())
    assert [(row["path"], row["score"], row["mode"]) for row in table] == [
        ("checkpoints/step_3/best.pt", None, "newest"),
        ("checkpoints/step_5/decoder.pt", None, "min"),
        ("checkpoints/step_5/encoder.pt", None, "min"),
    ]


def test_a_directory_is_a_checkpoint(root: Path, tmp_path: Path) -> None:
    with reticent.start_run() as run:
        capture = Capture(run, "", Options(checkpoints="last"), "test")
        for step in (1, 2, 3):
            write(tmp_path / f"checkpoint-{step}" / "weights.bin", f"weights {step}")
            write(tmp_path / f"checkpoint-{step}" / "deep" / "state.txt", f"state {step}")
            capture.log_checkpoint(tmp_path / f"checkpoint-{step}", step)
    names = ["deep/state.txt", "weights.bin"]
    assert kept(run) == [f"checkpoints/step_3/checkpoint-3/{name}" for name in names]


def test_one_that_cannot_be_stored_whole_takes_the_place_of_none(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "strict", False)
    stage = artifacts.stage_file

    def full_disk(directory: Path, source: Path) -> str:
        if source.name == "full.bin":
            raise OSError(errno.ENOSPC, "no space left on the device")
        if source.name == "temporary":
            source.unlink()
        return stage(directory, source)

    with reticent.start_run() as run:
        capture = Capture(run, "", Options(checkpoints="last"), "test")
        capture.log_checkpoint(write(tmp_path / "good" / "weights.bin", "weights 1").parent, 1)
        monkeypatch.setattr(artifacts, "stage_file", full_disk)
        write(tmp_path / "full" / "a.bin", "a")
        capture.log_checkpoint(write(tmp_path / "full" / "full.bin", "weights 2").parent, 2)
        write(tmp_path / "vanished" / "temporary", "b")
        capture.log_checkpoint(write(tmp_path / "vanished" / "weights.bin", "weights 3").parent, 3)
        capture.log_checkpoint(tmp_path / "never.bin", 4)
        run.log_artifact(write(tmp_path / "by hand" / "temporary", "b").parent)
    assert kept(run) == ["checkpoints/step_1/good/weights.bin"]
    (found,) = captured(root)
    assert found.tags["checkpoint_last"] == "checkpoints/step_1/good"
    assert found.warnings


def test_a_name_that_cannot_be_stored_keeps_no_other_file_from_it(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "strict", False)
    with reticent.start_run() as run:
        capture = Capture(run, "", Options(checkpoints="last"), "test")
        for step in (1, 2):
            directory = tmp_path / f"checkpoint-{step}"
            write(directory / ("a" * 250), "long")
            write(directory / "weights.bin", f"weights {step}")
            capture.log_checkpoint(directory, step)
    assert kept(run) == ["checkpoints/step_2/checkpoint-2/weights.bin"]


@pytest.mark.parametrize(("mode", "best"), [("min", 3), ("max", 1)])
def test_a_resumed_training_keeps_no_more_of_them(
    mode: Literal["min", "max"], best: int, root: Path, tmp_path: Path
) -> None:
    def train(run: reticent.Run, scores: dict[int, float]) -> None:
        capture = Capture(run, "", Options(), "test")
        for step, score in scores.items():
            file = write(tmp_path / "weights.bin", f"weights {step}")
            capture.log_checkpoint(file, step, score, monitor="score", mode=mode)

    with reticent.start_run() as run:
        train(run, {1: 0.9, 2: 0.5})
    with reticent.start_run(run_id=run.run_id) as run:
        train(run, {3: 0.1, 4: 0.6})
    assert kept(run) == [f"checkpoints/step_{step}/weights.bin" for step in sorted({best, 4})]


def test_what_a_newer_one_soon_takes_the_place_of_is_never_sealed(root: Path, tmp_path: Path) -> None:
    with reticent.start_run() as run:
        capture = Capture(run, "", Options(), "test")
        for step in range(1, 6):
            capture.log_checkpoint(write(tmp_path / "weights.bin", f"weights {step}"), step, -step, monitor="loss")
        assert sessions.current().background.wait(time.monotonic() + 20)
        staged = [path.read_text() for path in (run.directory / "staging").iterdir()]
        assert staged == ["weights 5"], "those that were removed are there no longer, the last one waits"
        assert not list(run.directory.glob("artifacts/checkpoints/step_*"))
    assert sessions.current().background.wait(time.monotonic() + 20)
    assert (run.directory / "artifacts/checkpoints/step_5/weights.bin").read_text() == "weights 5", "the run has ended"
    assert kept(run) == ["checkpoints/step_5/weights.bin"]
    sealed = [record.path for record in events(RunReader(run.directory)) if isinstance(record, Artifact)]
    assert {path for path in sealed if path.startswith("checkpoints/step_")} == {"checkpoints/step_5/weights.bin"}
