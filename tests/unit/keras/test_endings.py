"""Early stopping, checkpoints and TensorBoard's files: what a training's callbacks leave."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import reticent
from reticent.runlog import ARTIFACTS
from reticent.testing import Captured
from reticent_integrations.keras import checkpoints

from .conftest import Runs, X, Y, make_model

OnlyRun = Callable[[], Captured]


def test_early_stopping_in_the_terms_of_all(only_run: OnlyRun) -> None:
    stopping = keras.callbacks.EarlyStopping("loss", patience=2, min_delta=10, restore_best_weights=True)
    history = make_model().fit(X, Y, epochs=9, verbose=0, callbacks=[stopping]).history
    run = only_run()
    assert len(history["loss"]) == 3
    assert run.metrics["best_step"] == [(2, 0.0)]
    assert run.metrics["stopped_step"] == [(2, 2.0)]
    assert run.metrics["best_score"] == [(2, pytest.approx(history["loss"][0]))]
    assert run.metrics["stopped_epoch"] == [(2, 2.0)]
    assert run.metrics["restored_epoch"] == [(2, 0.0)]
    assert run.tags["early_stopping_reason"] == "no improvement"
    assert run.tags["early_stopping_patience"] == "2"
    told = {name: run.params[name] for name in ("monitor", "min_delta", "patience", "baseline", "restore_best_weights")}
    assert told == {
        "monitor": "loss",
        "min_delta": "10",
        "patience": "2",
        "baseline": "None",
        "restore_best_weights": "True",
    }


def test_other_ends_of_a_training_that_may_stop_early(runs: Runs) -> None:
    class Enough(keras.callbacks.Callback):  # type: ignore[misc] # Keras's classes are not typed
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.model.stop_training = True

    make_model().fit(X, Y, epochs=2, verbose=0, callbacks=[keras.callbacks.EarlyStopping("loss", patience=5)])
    make_model().fit(X, Y, epochs=9, verbose=0, callbacks=[keras.callbacks.EarlyStopping("loss"), Enough()])
    whole, stopped = runs()
    assert whole.tags["early_stopping_reason"] == "all steps trained"
    assert "stopped_epoch" not in whole.metrics
    assert stopped.tags["early_stopping_reason"] == "stopped otherwise"
    assert stopped.metrics["stopped_step"] == [(0, 0.0)]


def test_weights_are_kept_after_each_epoch(root: Path, only_run: OnlyRun) -> None:
    model = make_model()
    history = model.fit(X, Y, epochs=4, verbose=0, validation_data=(X, Y)).history
    run = only_run()
    best = int(np.argmin(history["val_loss"]))
    assert run.tags["checkpoint_last"] == f"checkpoints/step_3/{checkpoints.FILE}"
    assert run.tags["checkpoint_best"] == f"checkpoints/step_{best}/{checkpoints.FILE}"
    other = make_model()
    other.load_weights(root / "runs" / run.run_id / ARTIFACTS / run.tags["checkpoint_last"])
    for kept, trained in zip(other.get_weights(), model.get_weights(), strict=True):
        assert np.array_equal(kept, trained)


@pytest.mark.parametrize("most_mb", [500, 0], ids=["all wait", "two wait"])
def test_the_last_ones_are_kept_though_writing_lags_behind(
    most_mb: float, only_run: OnlyRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "MAX_WAITING_MB", most_mb)
    reticent.autolog(keep=3)
    trained = threading.Event()
    with reticent.start_run() as run:
        run.in_background("waiting", lambda: trained.wait(60))
        losses = make_model().fit(X, Y, epochs=5, verbose=0).history["loss"]
        trained.set()
    best = sorted(range(5), key=losses.__getitem__)
    wanted = {2, 3, 4, *best[:3]} if most_mb else {4, best[0]}
    kept = {path for path in only_run().artifacts if path.endswith(checkpoints.FILE)}
    assert kept >= {f"checkpoints/step_{epoch}/{checkpoints.FILE}" for epoch in wanted}
    assert len(kept) == (len(wanted) if most_mb else 2)


def test_weights_that_are_no_layers_are_kept_too(root: Path, only_run: OnlyRun) -> None:
    class Scaled(keras.Model):  # type: ignore[misc] # as above
        def __init__(self) -> None:
            super().__init__()
            self.normal = keras.layers.BatchNormalization()
            self.last = keras.layers.Dense(1)
            self.factor = self.add_weight(shape=(), initializer="ones", name="factor")

        def call(self, given: Any, training: bool = False) -> Any:
            return self.last(self.normal(given, training=training)) * self.factor

    model, other = Scaled(), Scaled()
    model.compile("sgd", "mse")
    model.fit(X, Y, epochs=2, verbose=0)
    run = only_run()
    other(X)
    other.load_weights(root / "runs" / run.run_id / ARTIFACTS / run.tags["checkpoint_last"])
    assert np.array_equal(other.predict(X, verbose=0), model.predict(X, verbose=0))


def test_large_weights_are_not_copied(runs: Runs) -> None:
    reticent.autolog(keras={"checkpoint_mb": 0.00001})
    make_model().fit(X, Y, verbose=0)
    (run,) = runs()
    assert run.tags["checkpoints"] == "none: 0 MB of weights are over checkpoint_mb (1e-05)"
    assert not any(path.startswith("checkpoints/") for path in run.artifacts)


def test_files_of_model_checkpoint_are_taken_instead(tmp_path: Path, only_run: OnlyRun) -> None:
    every = keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}-{loss:.2f}.weights.h5", save_weights_only=True)
    every.monitor = "loss"
    history = make_model().fit(X, Y, epochs=3, verbose=0, callbacks=[every]).history
    run = only_run()
    best = int(np.argmin(history["loss"]))
    assert run.tags["checkpoint_last"] == f"checkpoints/step_2/3-{history['loss'][2]:.2f}.weights.h5"
    assert run.tags["checkpoint_best"] == f"checkpoints/step_{best}/{best + 1}-{history['loss'][best]:.2f}.weights.h5"
    assert not any(path.endswith(checkpoints.FILE) for path in run.artifacts)


def test_only_a_file_that_was_written_is_a_checkpoint(tmp_path: Path, only_run: OnlyRun) -> None:
    file = tmp_path / "best.keras"
    file.write_text("of an earlier training")
    best = keras.callbacks.ModelCheckpoint(file, "loss", mode="min", save_best_only=True, initial_value_threshold=1e-9)
    make_model().fit(X, Y, epochs=2, verbose=0, callbacks=[best])
    assert file.read_text() == "of an earlier training"
    assert not any(path.startswith("checkpoints/") for path in only_run().artifacts)


def test_backups_are_taken_before_keras_removes_them(tmp_path: Path, only_run: OnlyRun) -> None:
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    make_model().fit(X, Y, epochs=2, verbose=0, callbacks=[backup])
    assert only_run().tags["checkpoint_last"] == "checkpoints/step_1/latest.weights.h5"


class Board(keras.callbacks.TensorBoard):  # type: ignore[misc] # as above
    """Keras writes scalars, for which it needs the package tensorboard; tensors TensorFlow writes alone."""

    @property
    def summary(self) -> Any:
        return SimpleNamespace(**{**vars(tf.summary), "scalar": tf.summary.write})


def test_files_of_tensorboard_are_copied_and_left_alone(tmp_path: Path, only_run: OnlyRun) -> None:
    board = Board(tmp_path / "logs", write_graph=False)
    make_model().fit(X, Y, verbose=0, callbacks=[board], validation_data=(X, Y))
    files = sorted(path for path in (tmp_path / "logs").rglob("*") if path.is_file())
    names = [f"tensorboard_logs/{path.relative_to(tmp_path / 'logs').as_posix()}" for path in files]
    assert len(names) == 2
    assert sorted(path for path in only_run().artifacts if path.startswith("tensorboard_logs/")) == names


def test_without_tensorboard_none_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runs: Runs) -> None:
    place = tmp_path / "work"
    place.mkdir()
    monkeypatch.chdir(place)
    make_model().fit(X, Y, verbose=0)
    assert list(place.iterdir()) == []
