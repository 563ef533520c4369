"""`reticent export` and `reticent import` of bundles."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Command


def test_runs_are_carried_to_another_root(command: Command, root: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "x.tar.zst"
    told = command("export", "aaaa", "cccc0001", str(bundle))
    assert told.code == 0
    assert "✓ 2 runs in" in told.out
    assert "children (8) are left out" in told.out
    there = tmp_path / "there"
    imported = command("import", str(bundle), root=there)
    assert imported.code == 0
    assert "✓ aaaa0001" in imported.out
    assert "is here already" in command("import", str(bundle), root=there).out
    assert "val_loss" in command("show", "aaaa", root=there).out


def test_children_come_with_their_parents(command: Command, tmp_path: Path) -> None:
    bundle = tmp_path / "x.tar.gz"
    assert "✓ 9 runs in" in command("export", "aaaa0001", "bbbb0001", "--children", str(bundle)).out
    assert command("import", str(bundle), root=tmp_path / "there").out.count("✓ bbbb") == 8


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["export", "x.tar.gz"], 2, "and then the bundle's name"),
        (["export", "aaaa0001", "cccc0001"], 1, "no name for a bundle"),
        (["export", "ffff0000", "{}/x.tar.gz"], 1, "no run"),
        (["export", "aaaa0001", "{}/nowhere/x.tar.gz"], 1, "cannot be written"),
        (["import", "{}/nowhere.tar.gz"], 1, "nothing of it was taken"),
        (["import", "{}/nowhere.tar.gz", "--experiment", "x"], 2, "belongs to --from"),
        (["import", "{}", "--from", "tensorboard", "--verify", "x"], 2, "a tracker signs nothing"),
    ],
)
def test_what_is_wrong_is_told(command: Command, tmp_path: Path, arguments: list[str], code: int, told: str) -> None:
    outcome = command(*[one.format(tmp_path) for one in arguments])
    assert outcome.code == code
    assert told in outcome.err.replace("\n", " ")
    assert "Traceback" not in outcome.err


def test_old_runs_of_tensorboard(command: Command, tmp_path: Path) -> None:
    from tensorboard.compat.proto import event_pb2 as events
    from tensorboard.summary.writer import event_file_writer as writers

    writer = writers.EventFileWriter(str(tmp_path / "logs"))
    event = events.Event(wall_time=1_600_000_000.0, step=1)
    event.summary.value.add(tag="loss", simple_value=0.5)
    writer.add_event(event)
    writer.close()
    there = tmp_path / "there"
    first = command("import", "--from", "tensorboard", str(tmp_path / "logs"), root=there)
    assert first.code == 0
    assert "logs" in first.out
    assert "1 run imported before" in command("import", "--from", "tensorboard", str(tmp_path / "logs"), root=there).out
    assert "0.5" in command("runs", root=there).out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--from", "scribbles", "x"], "'scribbles' cannot be imported"),
        (["--from", "mlflow", "mlruns"], "mlflow server --backend-store-uri mlruns"),
        (["--from", "mlflow", "http://127.0.0.1:9"], "cannot be reached"),
        (["--from", "tensorboard", "nowhere"], "no directory with event files"),
        (["--from", "tensorboard", "nowhere", "-e", "x"], "TensorBoard knows no experiments"),
        (["--from", "wandb", "nowhere"], "no directory with runs of W&B"),
    ],
)
def test_what_cannot_be_imported_is_told(command: Command, tmp_path: Path, arguments: list[str], told: str) -> None:
    outcome = command("import", *arguments, root=tmp_path / "there")
    assert outcome.code == 1
    assert told in outcome.err
    assert "Traceback" not in outcome.err
