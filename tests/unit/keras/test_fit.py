"""What is captured of `fit`, however its arguments are passed and whatever the data is."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
import torch
from torch.utils.data import DataLoader, TensorDataset

import reticent
from reticent.testing import Captured
from reticent.testing.canary import CANARY, find

from .conftest import Runs, X, Y, make_model

OnlyRun = Callable[[], Captured]


class Count(keras.callbacks.Callback):  # type: ignore[misc] # Keras's classes are not typed
    def __init__(self) -> None:
        super().__init__()
        self.epochs: list[int] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.epochs.append(epoch)


class OwnStep(keras.Model):  # type: ignore[misc] # Keras's classes are not typed
    """As Keras's guide to a `train_step` of one's own has it: without an `__init__`."""

    def train_step(self, data: Any) -> dict[str, Any]:
        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(y=y, y_pred=self(x, training=True))
        self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
        return {"own_loss": loss}


def test_a_functional_model_of_a_class_of_the_users(only_run: OnlyRun) -> None:
    inputs = keras.Input((4,))
    model = OwnStep(inputs, keras.layers.Dense(1)(inputs))
    model.compile("sgd", "mse")
    history = model.fit(X, Y, epochs=2, verbose=0)
    assert only_run().metrics["own_loss"] == list(enumerate(history.history["own_loss"]))


def test_arguments_by_position(only_run: OnlyRun) -> None:
    count = Count()
    given = [count]
    make_model().fit(X, Y, 10, 2, 0, given)
    run = only_run()
    assert (run.params["epochs"], run.params["batch_size"]) == ("2", "10")
    assert len(run.metrics["loss"]) == 2
    assert given == [count]
    assert count.epochs == [0, 1]


@pytest.mark.parametrize("form", ["none", "one", "tuple", "nested", "list of Keras"])
def test_callbacks_in_every_form(form: str, only_run: OnlyRun) -> None:
    count, model = Count(), make_model()
    forms: dict[str, Any] = {
        "none": None,
        "one": count,
        "tuple": (count,),
        "nested": {"mine": [count]},
        "list of Keras": keras.callbacks.CallbackList([count], add_history=True, model=model),
    }
    history = model.fit(X, Y, epochs=2, verbose=0, callbacks=forms[form])
    assert only_run().metrics["loss"] == list(enumerate(history.history["loss"]))
    assert count.epochs == ([] if form == "none" else [0, 1])
    if form == "list of Keras":
        assert [type(one) for one in forms[form].callbacks] == [Count, keras.callbacks.History]


def test_epochs_of_validation_and_of_batches(only_run: OnlyRun) -> None:
    model = make_model()
    history = model.fit(X, Y, batch_size=16, epochs=3, verbose=0, validation_data=(X, Y), validation_freq=2).history
    run = only_run()
    assert run.metrics["accuracy"] == list(enumerate(history["accuracy"]))
    assert run.metrics["validation_loss"] == run.metrics["val_loss"] == [(1, history["val_loss"][0])]
    assert [step for step, _ in sorted(run.metrics["batch_loss"])] == list(range(9))
    assert [step for step, _ in run.metrics["validate_seconds"]] == [1]


def test_what_callbacks_add_to_the_logs(only_run: OnlyRun) -> None:
    class Adding(keras.callbacks.Callback):  # type: ignore[misc] # as above
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            logs["mine"] = 7 + epoch
            logs["note"] = "no number"

    halve = keras.callbacks.LearningRateScheduler(lambda epoch: 0.5 / 2**epoch)
    make_model().fit(X, Y, epochs=2, verbose=0, callbacks=[Adding(), halve])
    run = only_run()
    assert run.metrics["mine"] == [(0, 7.0), (1, 8.0)]
    assert run.metrics["learning_rate"] == [(0, 0.5), (1, 0.25)]
    assert "note" not in run.metrics


def test_metrics_are_in_the_run_log_while_training_runs(runs: Runs) -> None:
    seen = []

    class Look(keras.callbacks.Callback):  # type: ignore[misc] # as above
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            seen.append(len(runs()[0].metrics["loss"]))

    make_model().fit(X, Y, epochs=3, verbose=0, callbacks=[Look()])
    assert seen == [1, 2, 3]


def origins(root: Path) -> dict[str, tuple[str, str]]:
    reticent.flush(60)
    with sqlite3.connect(root / "reticent.db") as database:
        return {key: (value, origin) for key, value, origin in database.execute("SELECT key, value, origin FROM param")}


def test_params_of_optimizer_and_loss(root: Path, runs: Runs) -> None:
    schedule = keras.optimizers.schedules.ExponentialDecay(0.25, decay_steps=10, decay_rate=0.5)
    loss = keras.losses.BinaryCrossentropy(label_smoothing=0.1)
    model = make_model(keras.optimizers.SGD(schedule, momentum=0.75), loss=loss, metrics=None)
    model.fit(X, Y, verbose=0, class_weight={0: 1.0, 1: 2.0})
    params = origins(root)
    assert params["optimizer"] == ("SGD", "explicit")
    assert params["opt_learning_rate"] == ("ExponentialDecay", "explicit")
    assert params["opt_learning_rate_decay_rate"] == ("0.5", "explicit")
    assert params["opt_momentum"] == ("0.75", "explicit")
    assert params["opt_nesterov"] == ("False", "default")
    assert params["loss"] == ("BinaryCrossentropy", "explicit")
    assert params["loss_label_smoothing"] == ("0.1", "explicit")
    assert params["loss_from_logits"] == ("False", "default")
    assert params["batch_size"] == ("32", "derived")
    assert params["epochs"] == ("1", "default")
    assert params["class_weight"][0] == "{'0': 1.0, '1': 2.0}"
    assert not any(" at 0x" in value for value, _ in params.values())


def test_weights_of_samples_are_described_not_written(root: Path, runs: Runs) -> None:
    make_model(loss=keras.losses.binary_crossentropy).fit(X, Y, verbose=0, sample_weight=np.ones(40))
    params = origins(root)
    assert params["sample_weight"] == ("numpy.ndarray (40,)", "explicit")
    assert params["loss"] == ("binary_crossentropy", "explicit")


def test_samples_a_second_leave_out_what_is_held_back(only_run: OnlyRun) -> None:
    make_model().fit(X, Y, batch_size=16, epochs=2, verbose=0, validation_split=0.5)
    run = only_run()
    (_, seconds), (_, speed) = run.metrics["fit_seconds"][0], run.metrics["fit_samples_per_second"][0]
    assert seconds * speed == pytest.approx(40)


def described(root: Path) -> dict[str, Any]:
    reticent.flush(60)
    with sqlite3.connect(root / "reticent.db") as database:
        rows = database.execute("SELECT name, schema, profile FROM dataset").fetchall()
    return {name: (json.loads(schema), json.loads(profile)) for name, schema, profile in rows}


def test_tf_data_is_never_consumed(root: Path, runs: Runs) -> None:
    drawn = []

    def rows() -> Iterator[Any]:
        drawn.append(1)
        yield from zip(X, Y, strict=True)

    form = (tf.TensorSpec((4,), tf.float32), tf.TensorSpec((), tf.float32))
    dataset = tf.data.Dataset.from_generator(rows, output_signature=form).batch(8).prefetch(1)
    make_model().fit(dataset, epochs=2, verbose=0)
    assert len(drawn) == 2  # once for each epoch
    schema, profile = described(root)["train"]
    assert schema["features"]["elements"] == [
        {"shape": [None, 4], "dtype": "float32"},
        {"shape": [None], "dtype": "float32"},
    ]
    assert profile["features"] == {"batch_size": 8}
    assert runs()[0].params["batch_size"] == "8"


def test_generators_are_never_consumed(root: Path, runs: Runs) -> None:
    """One that has just what the fit needs: Keras draws ahead in a thread of its own, so draws cannot be counted."""
    model = make_model()
    batches = ((X[:8], Y[:8]) for _ in range(6))
    model.fit(batches, steps_per_epoch=3, epochs=2, verbose=0)
    assert int(model.optimizer.iterations) == 6
    assert described(root)["train"][0] == {"features": {"type": "generator"}}


class Batches(keras.utils.PyDataset):  # type: ignore[misc] # as above
    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []

    def __len__(self) -> int:
        return 5

    def __getitem__(self, number: int) -> Any:
        self.asked.append(number)
        return X[number * 8 : number * 8 + 8], Y[number * 8 : number * 8 + 8]


def test_a_data_loader_of_torch(root: Path, runs: Runs) -> None:
    loader = DataLoader(TensorDataset(torch.from_numpy(X), torch.from_numpy(Y)), batch_size=10)
    make_model().fit(loader, verbose=0, shuffle=False)
    assert described(root)["train"][1]["features"] == {"batches": 4, "rows": 40, "batch_size": 10}


def test_a_py_dataset_is_asked_no_more_than_without(root: Path, runs: Runs) -> None:
    logged, plain = Batches(), Batches()
    make_model().fit(logged, verbose=0, shuffle=False)
    assert described(root)["train"][1]["features"] == {"batches": 5}
    reticent.autolog(disable=True)
    make_model().fit(plain, verbose=0, shuffle=False)
    assert logged.asked == plain.asked


def test_several_inputs_and_tables(root: Path, runs: Runs) -> None:
    given = [keras.Input((4,), name="left"), keras.Input((4,), name="right")]
    model = keras.Model(given, keras.layers.Dense(1)(keras.layers.Concatenate()(given)))
    model.compile("sgd", "mse")
    model.fit({"left": X, "right": X}, Y, verbose=0)
    model.fit([X, X], Y, verbose=0, validation_split=0.5)
    make_model().fit(pd.DataFrame(X, columns=list("abcd")), pd.Series(Y), verbose=0)
    by_name, by_position, table = runs()
    for run in (by_name, by_position, table):
        assert (run.warnings, run.models) == ([], ["model"])
        assert "model/input_example.json" in run.artifacts
    described(root)


def test_a_model_that_is_built_by_its_first_batch(only_run: OnlyRun) -> None:
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(X, Y, epochs=2, verbose=0)
    run = only_run()
    assert "model_summary.txt" in run.artifacts
    assert (run.models, run.warnings) == (["model"], [])


@pytest.mark.parametrize("columns", ["80", "20"])
def test_a_secret_in_a_name_is_hidden_however_narrow_the_summary_is(
    columns: str, root: Path, only_run: OnlyRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    secret = CANARY.shaped
    given = keras.Input((4,), name=f"in_{secret}")
    model = keras.Model(given, keras.layers.Dense(1)(given), name=f"a_model_of_some_length_with_a_{secret}_in_its_name")
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)
    run = only_run()
    summary = (root / "runs" / run.run_id / "artifacts" / "model_summary.txt").read_text("utf-8")
    assert "in_[REDACTED:github-token]" in summary
    assert "Total params: 5" in summary
    assert find(secret, root) == []


def test_options(root: Path, runs: Runs) -> None:
    reticent.autolog(keras={"log_models": False, "log_datasets": False, "exclude": ("batch_*",), "checkpoints": "none"})
    make_model().fit(X, Y, verbose=0)
    (run,) = runs()
    assert (run.models, run.datasets) == ([], [])
    assert not any(name.startswith("batch_") for name in run.metrics)
    assert not any(path.startswith("checkpoints/") for path in run.artifacts)
