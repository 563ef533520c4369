"""Event files as TensorBoard's own writers make them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch.utils.tensorboard as summary_writer

import reticent
from reticent.errors import SourceError
from reticent.importing import bring_in
from reticent.importing.tensorboard import runs
from reticent.sessions import current


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("tb") / "study"
    with summary_writer.SummaryWriter(directory / "a") as writer:
        for step in range(20_000):  # more than a reader of TensorBoard keeps if it is not told to
            writer.add_scalar("loss/train", step / 2, step, walltime=1_600_000_000 + step)
        writer.add_text("notes", "it *works*", 3)
        writer.add_image("digit", np.zeros((3, 4, 4), dtype=np.uint8), 7)
        writer.add_histogram("weights", np.arange(10), 1)
    with summary_writer.SummaryWriter(directory / "b") as writer:
        writer.add_hparams({"lr": 0.1, "optimizer": "adam", "batch": 32}, {"hp/accuracy": 0.9}, run_name=".")
    return directory


def test_scalars_hparams_texts_and_pictures_are_brought_in(root: Path, logs: Path) -> None:
    counts = bring_in(current(), "tensorboard", runs(str(logs), []), unfinished=False)
    assert sorted(name for _, name in counts.new) == ["a", "b"]
    found = {run.name: run for run in reticent.search_runs()}
    a, b = found["a"], found["b"]
    assert {a.experiment, b.experiment} == {"study"}
    assert [(point.step, point.value, point.time) for point in a.metric_history("loss/train")] == [
        (step, step / 2, 1_600_000_000 + step) for step in range(20_000)
    ]
    assert b.params == {"lr": "0.1", "optimizer": "adam", "batch": "32"}
    assert b.metrics == {"hp/accuracy": pytest.approx(0.9)}
    texts, pictures = (root / "runs" / a.run_id / "artifacts" / kind for kind in ("text", "images"))
    assert (texts / "notes" / "text_summary" / "3.md").read_text() == "it *works*"
    assert (pictures / "digit" / "7-0.png").read_bytes().startswith(b"\x89PNG")
    assert a.health.state == "degraded"  # the histogram
    assert b.health.state == "ok"


def test_a_log_directory_that_was_moved_is_known(root: Path, logs: Path, tmp_path: Path) -> None:
    bring_in(current(), "tensorboard", runs(str(logs), []), unfinished=False)
    shutil.copytree(logs, tmp_path / "moved")
    counts = bring_in(current(), "tensorboard", runs(str(tmp_path / "moved"), []), unfinished=False)
    assert (counts.known, counts.new) == (2, [])


def test_files_written_by_tensorflow(root: Path, tmp_path: Path) -> None:
    import tensorflow

    writer = tensorflow.summary.create_file_writer(str(tmp_path / "logs"))
    with writer.as_default():
        for step in range(3):
            tensorflow.summary.scalar("loss", step / 2, step=step)
        tensorflow.summary.text("notes", "hello", step=1)
        tensorflow.summary.image("picture", np.zeros((1, 4, 4, 3), dtype=np.uint8), step=2)
    writer.close()
    bring_in(current(), "tensorboard", runs(str(tmp_path / "logs"), []), unfinished=False)
    (run,) = reticent.search_runs()
    assert run.name == "logs"
    assert [(point.step, point.value) for point in run.metric_history("loss")] == [(0, 0.0), (1, 0.5), (2, 1.0)]
    assert {artifact.path for artifact in run.artifacts()} == {"text/notes/1.md", "images/picture/2-0.png"}


def test_of_a_damaged_file_comes_what_can_be_read(root: Path, logs: Path, tmp_path: Path) -> None:
    shutil.copytree(logs / "a", tmp_path / "logs" / "cut")
    (cut,) = (tmp_path / "logs" / "cut").iterdir()
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    (tmp_path / "logs" / "garbage").mkdir()
    (tmp_path / "logs" / "garbage" / "events.out.tfevents.1").write_bytes(b"no event file" * 100)
    (tmp_path / "logs" / "empty").mkdir()
    (tmp_path / "logs" / "empty" / "events.out.tfevents.1").write_bytes(b"")
    bring_in(current(), "tensorboard", runs(str(tmp_path / "logs"), []), unfinished=False)
    (run,) = [run for run in reticent.search_runs() if run.name == "cut"]
    assert 5000 < run.metric_summary("loss/train").count < 20_000


@pytest.mark.parametrize("place", ["nowhere", "."])
def test_what_is_no_log_directory_is_told(
    place: str, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match=r"no directory|no event files"):
        list(runs(place, []))
