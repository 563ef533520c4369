"""What Keras trainings leave behind, as scripts of users make them, on TensorFlow."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest

from .capturing import FLOOR, Stored, check_captures, check_floor, trainings

DATA = """
import json
import keras
import numpy as np

chance = np.random.default_rng(0)
X = chance.normal(size=(200, 4)).astype("float32")
y = (X[:, 0] + X[:, 1] > 0).astype("int32")

def make_model():
    layers = [keras.layers.Dense(8, activation="relu"), keras.layers.Dense(1, activation="sigmoid")]
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy", metrics=["accuracy"])
    return model
"""

FIT = f"""{DATA}
from types import SimpleNamespace
import tensorflow as tf

class Board(keras.callbacks.TensorBoard):
    "Keras writes scalars, for which it needs the package tensorboard; tensors TensorFlow writes alone."
    @property
    def summary(self):
        return SimpleNamespace(**{{**vars(tf.summary), "scalar": tf.summary.write}})

stopping = keras.callbacks.EarlyStopping(patience=10, restore_best_weights=True)
board = Board("logs", write_graph=False)
model = make_model()
history = model.fit(X, y, 16, 4, validation_data=(X[:50], y[:50]), callbacks=[stopping, board], verbose=0)
asked = model.evaluate(X[50:90], y[50:90], verbose=0)
model.predict(X[:10], verbose=0)
best, best_epoch = stopping.best, stopping.best_epoch
json.dump([history.history, asked, best, best_epoch], open("known.json", "w"))
"""

STOPPED = f"""{DATA}
stopping = keras.callbacks.EarlyStopping("val_accuracy", patience=1, mode="max")
keep = keras.callbacks.ModelCheckpoint("epoch-{{epoch}}.keras")
history = make_model().fit(X, y, epochs=20, validation_split=0.25, callbacks=[stopping, keep], verbose=0)
json.dump([history.history, stopping.stopped_epoch, stopping.best_epoch, stopping.best], open("known.json", "w"))
"""

BATCHES = f"""{DATA}
model = make_model()
losses = [model.train_on_batch(X[start:start + 20], y[start:start + 20])[0] for start in range(0, 200, 20)]
json.dump(list(map(float, losses)), open("known.json", "w"))
"""

TAPE = f"""{DATA}
import tensorflow as tf
model, optimizer = make_model(), keras.optimizers.SGD(0.1, momentum=0.5)

@tf.function
def step(x, y):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(keras.losses.binary_crossentropy(y[:, None], model(x, training=True)))
    optimizer.apply_gradients(zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables))
    return loss

for start in range(0, 200, 20):
    step(X[start:start + 20], tf.cast(y[start:start + 20], "float32"))
"""

TITLES = {"fit": FIT, "fit with early stopping": STOPPED, "train_on_batch": BATCHES, "tape and apply": TAPE}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Stored, Path]]:
    return trainings(TITLES, tmp_path_factory)


def test_fit(runs: dict[str, tuple[Stored, Path]]) -> None:
    run, place = runs["fit"]
    history, asked, best, best_epoch = json.loads((place / "known.json").read_text())
    boards = {name: path for name in FLOOR["keras_fit"]["artifacts"] for path in [_board(name, run)] if path}
    assert len(boards) == 2
    renamed = {
        **boards,
        "checkpoints/latest_checkpoint.h5": "checkpoints/step_3/checkpoint.h5",
        "checkpoints/latest_checkpoint_metrics.json": "checkpoints/checkpoints.json",
        "mlflow.latest_checkpoint_artifact": "checkpoint_last",
    }
    check_floor(run, "keras_fit", renamed)
    for name, values in history.items():
        assert run.metrics[name] == list(enumerate(values))
        if name.startswith("val_"):
            assert run.metrics[f"validation_{name[4:]}"] == run.metrics[name]
    assert len(run.metrics["batch_loss"]) == 4 * 13
    assert run.metrics["best_score"] == [(3, pytest.approx(best))]
    assert run.metrics["best_step"] == [(3, best_epoch)]
    assert run.metrics["stopped_step"] == [(3, 3)]
    assert run.tags["early_stopping_reason"] == "all steps trained"
    assert [value for _, value in run.metrics["test_loss"] + run.metrics["test_accuracy"]] == pytest.approx(asked)
    assert run.params["epochs"] == ("4", "explicit")
    assert run.params["batch_size"] == ("16", "explicit")
    assert run.params["opt_learning_rate"] == ("0.05", "explicit")
    assert run.params["opt_beta_1"] == ("0.9", "default")
    assert run.params["loss"] == ("binary_crossentropy", "explicit")
    assert {"train", "validation", "test", "predict"} == {name for name, _ in run.datasets}
    schema, profile = run.datasets["train", "train"]
    assert schema["features"] == {"type": "numpy.ndarray", "shape": [200, 4], "dtype": "float32"}
    assert profile["classes"].keys() == {"0", "1"}  # type: ignore[attr-defined] # as JSON has it
    assert run.models == ["model"]


def _board(name: str, run: Stored) -> str:
    """The file of TensorBoard in the place of MLflow's, whose name has a time and a machine in it."""
    place = name.partition("events.out")[0] if "events.out" in name else "nowhere"
    return next((path for path in run.artifacts if path.startswith(place)), "")


def test_fit_with_early_stopping_and_checkpoints(runs: dict[str, tuple[Stored, Path]]) -> None:
    run, place = runs["fit with early stopping"]
    history, stopped, best_epoch, best = json.loads((place / "known.json").read_text())
    assert 0 < stopped < 19
    assert len(run.metrics["val_accuracy"]) == len(history["loss"]) == stopped + 1
    assert run.metrics["stopped_epoch"] == [(stopped, stopped)]
    assert run.metrics["best_step"] == [(stopped, best_epoch)]
    assert run.metrics["best_score"] == [(stopped, pytest.approx(best))]
    assert run.tags["early_stopping_reason"] == "no improvement"
    assert run.tags["early_stopping_monitor"] == run.params["monitor"][0] == "val_accuracy"
    assert f"checkpoints/step_{stopped}/epoch-{stopped + 1}.keras" in run.artifacts
    assert run.datasets["train", "train"][0]["features"]["shape"] == [150, 4]  # type: ignore[index] # as above
    assert run.datasets["validation", "eval"][0]["features"]["shape"] == [50, 4]  # type: ignore[index] # as above


def test_train_on_batch(runs: dict[str, tuple[Stored, Path]]) -> None:
    run, place = runs["train_on_batch"]
    losses = json.loads((place / "known.json").read_text())
    assert run.metrics["loss"] == list(enumerate(losses))
    assert len(run.metrics["accuracy"]) == 10
    assert run.metrics["steps"] == [(9, 10)]
    assert run.params["opt_name"] == ("adam", "default")
    assert "model_summary.txt" in run.artifacts
    assert run.models == ["model"]


def test_tape_and_apply(runs: dict[str, tuple[Stored, Path]]) -> None:
    run, _ = runs["tape and apply"]
    assert run.metrics["steps"] == [(9, 10)]
    assert run.params["opt_momentum"] == ("0.5", "explicit")
    assert run.params["opt_nesterov"] == ("False", "default")
    assert run.params["model_class"] == ("Sequential", "derived")
    assert "model_summary.txt" in run.artifacts
    assert run.models == ["model"]


def test_captures(runs: dict[str, tuple[Stored, Path]]) -> None:
    seen = {}
    for title, (run, _) in runs.items():
        without_host = [re.sub(r"(tfevents)\..*", r"\1", path) for path in run.artifacts]
        seen[title] = replace(run, artifacts=without_host)
    check_captures("keras", metadata.version("keras"), seen)
