"""What a loop writes itself: checkpoints, and summaries for TensorBoard."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import reticent
from reticent.runlog import ARTIFACTS
from reticent.testing.captured import captured
from reticent.testing.isolation import isolated
from reticent_integrations.torch import summaries

X = torch.ones(4, 3)


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    with isolated(tmp_path / "root", backends="") as root:
        reticent.autolog(sklearn=False)
        yield root


def test_the_best_and_the_last_file_are_kept(root: Path) -> None:
    def loop() -> None:
        model = torch.nn.Linear(3, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for step in range(1, 7):
            model(X).sum().backward()
            optimizer.step()
            torch.save({"model": model.state_dict(), "step": step}, "last.pt")
            if step in (2, 3):
                torch.save(model.state_dict(), Path("model_best.pt"))
            if step == 6:
                torch.save(torch.ones(2), "predictions.pt")
                save_file(model.state_dict(), "last.safetensors")

    torch.save({}, "before.pt")
    loop()
    torch.save({}, "after.pt")
    (run,) = captured(root)
    assert run.tags["checkpoint_best"] == "checkpoints/step_3/model_best.pt"
    assert run.tags["checkpoint_last"] == "checkpoints/step_6/last.pt"
    place = root / "runs" / run.run_id / ARTIFACTS / "checkpoints"
    assert sorted(path.relative_to(place).as_posix() for path in place.glob("step_*/*")) == [
        "step_3/model_best.pt",
        "step_6/last.pt",
        "step_6/last.safetensors",
    ]
    table = json.loads((place / "checkpoints.json").read_bytes())
    assert [row["score"] for row in table] == [None, None, None]
    assert not [path for path in run.artifacts if path.endswith(("predictions.pt", "before.pt", "after.pt"))]


def test_safetensors_are_checkpoints(root: Path) -> None:
    def loop() -> None:
        model = torch.nn.Linear(3, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        model(X).sum().backward()
        optimizer.step()
        save_file(model.state_dict(), "model.safetensors")

    loop()
    (run,) = captured(root)
    assert run.tags["checkpoint_last"] == "checkpoints/step_1/model.safetensors"


@pytest.fixture
def writers() -> type:
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter


def test_ten_scalars_outside_a_run_are_one_run_with_ten_points(root: Path, writers: type) -> None:
    writer = writers("logs")
    for step in range(10):
        writer.add_scalar("loss", step / 2, step)
    assert reticent.active_run() is not None
    writer.close()
    assert reticent.active_run() is None
    (run,) = captured(root)
    assert (run.status, run.warnings) == ("FINISHED", [])
    assert run.metrics["loss"] == [(step, step / 2) for step in range(10)]


def test_what_is_written_beside_a_loop_is_in_its_run(root: Path, writers: type) -> None:
    def loop() -> None:
        writer = writers("logs")
        model = torch.nn.Linear(3, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for step in range(3):
            loss = model(X).pow(2).mean()
            loss.backward()
            optimizer.step()
            writer.add_scalar("Loss/train", loss, step)
        writer.add_scalars("both", {"a": 1.0, "b": 2.0}, 2)
        writer.add_text("note", "as it was", 2)
        writer.add_hparams({"width": 3}, {"accuracy": 0.5})
        del model, optimizer
        writer.add_scalar("test", 1.0)

    loop()
    (run,) = captured(root)
    assert (run.status, run.warnings, run.models) == ("FINISHED", [], ["model"])
    assert [value for _, value in run.metrics["Loss/train"]] == [value for _, value in run.metrics["loss"]]
    assert (run.metrics["both/b"], run.metrics["test"], run.metrics["accuracy"]) == ([(2, 2.0)], [(0, 1.0)], [(0, 0.5)])
    assert run.params["width"] == "3"
    assert "tensorboard/note_2.txt" in run.artifacts


def test_images_figures_and_histograms_are_artifacts_as_they_were(root: Path, writers: type) -> None:
    from matplotlib.figure import Figure

    writer, image, values = writers("logs"), torch.rand(3, 8, 6), np.arange(5.0)
    before, changed = image.clone(), threading.Event()
    figure = Figure()
    figure.add_subplot().plot([1, 2])
    with reticent.start_run() as run:
        run.in_background("waiting", lambda: changed.wait(60))
        writer.add_image("pictures/one", image, 3)
        writer.add_images("many", torch.zeros(2, 3, 8, 6), global_step=3)
        writer.add_image("grey", np.full((8, 6), 255, np.uint8), dataformats="HW")
        writer.add_figure("curve", figure, 3)
        writer.add_histogram("weights", values, 3)
        image.zero_()
        values[:] = 0
        changed.set()
    writer.close()
    assert captured(root)[0].warnings == []
    place = root / "runs" / run.run_id / ARTIFACTS / "tensorboard"
    assert {path.relative_to(place).as_posix() for path in place.rglob("*.*")} == {
        "pictures/one_3.png",
        "many_3.png",
        "grey.png",
        "curve_3.png",
        "weights_3.json",
    }
    pixels = np.asarray(Image.open(place / "pictures" / "one_3.png"))
    assert (pixels == (before.numpy() * 255).astype(np.uint8).transpose(1, 2, 0)).all()
    assert np.asarray(Image.open(place / "grey.png")).min() == 255
    assert np.asarray(Image.open(place / "curve_3.png")).std() > 0
    told = json.loads((place / "weights_3.json").read_bytes())
    assert (sum(told["counts"]), told["edges"][-1]) == (5, 4.0)


def test_images_and_histograms_are_bounded(root: Path, writers: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summaries, "MOST", {"images": 3, "histograms": 2})
    monkeypatch.setattr(summaries, "MAX_WAITING_BYTES", 1000)
    writer = writers("logs")
    writer.add_image("large", torch.zeros(3, 20, 20), 0)
    for step in range(5):
        writer.add_image("small", torch.zeros(3, 2, 2), step)
        writer.add_histogram("weights", torch.arange(3), step)
    writer.close()
    (run,) = captured(root)
    assert [path for path in run.artifacts if path.endswith(".png")] == [f"tensorboard/small_{n}.png" for n in range(3)]
    assert [path for path in run.artifacts if path.endswith(".json")] == [
        f"tensorboard/weights_{n}.json" for n in range(2)
    ]
    assert run.tags["tensorboard_histograms_left_out"] == "after the first 2"
    assert run.tags["tensorboard_images_left_out"] == "after the first 3"
