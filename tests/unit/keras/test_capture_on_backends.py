"""What is captured on the other backends of Keras, each in a process of its own, as a process has one."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from reticent.testing import Captured, captured

TRAIN = """
import sys
import keras
import numpy as np
import reticent

rows = np.random.default_rng(0).normal(size=(40, 4)).astype("float32")
labels = (rows[:, 0] > 0).astype("float32")

def make_model():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dense(1, activation="sigmoid")])
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
    return model

def train():
    model = make_model()
    stopping = keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True)
    model.fit(rows, labels, 10, 3, validation_data=(rows, labels), callbacks=[stopping], verbose=0)
    model.evaluate(rows, labels, verbose=0)
    batches = make_model()
    for start in (0, 8, 16):
        batches.train_on_batch(rows[start : start + 8], labels[start : start + 8])
    own = make_model()
    OWN_LOOP(own)
    weights = [*model.get_weights(), *batches.get_weights(), *own.get_weights()]
    return [weight.tobytes() for weight in weights]

plain = train()
reticent.autolog()
assert train() == plain, "the weights are others with autologging"
import gc
gc.collect()
assert reticent.flush(60)
"""

LOOPS = {
    "torch": """
import torch
def OWN_LOOP(model):
    optimizer = keras.optimizers.SGD(0.1, momentum=0.5)
    for _ in range(4):
        model.zero_grad()
        loss = ((model(rows)[:, 0] - torch.from_numpy(labels)) ** 2).mean()
        loss.backward()
        with torch.no_grad():
            optimizer.apply([weight.value.grad for weight in model.trainable_weights], model.trainable_weights)
""",
    "jax": """
import jax
def OWN_LOOP(model):
    optimizer = keras.optimizers.SGD(0.1, momentum=0.5)
    optimizer.build(model.trainable_variables)
    def loss(trained, others):
        predicted, _ = model.stateless_call(trained, others, rows)
        return ((predicted[:, 0] - labels) ** 2).mean()
    @jax.jit
    def step(trained, others, state):
        gradients = jax.grad(loss)(trained, others)
        return optimizer.stateless_apply(state, gradients, trained)
    trained = [one.value for one in model.trainable_variables]
    others, state = [one.value for one in model.non_trainable_variables], [one.value for one in optimizer.variables]
    for _ in range(4):
        trained, state = step(trained, others, state)
    for variable, value in zip(model.trainable_variables, trained):
        variable.assign(value)
""",
}


@pytest.fixture(scope="module", params=["torch", "jax"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[Captured]]:
    backend, root = request.param, tmp_path_factory.mktemp(request.param)
    environment = {**os.environ, "KERAS_BACKEND": backend, "RETICENT_DIR": str(root), "RETICENT_STRICT": "1"}
    command = [sys.executable, "-c", LOOPS[backend] + TRAIN]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=200, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return backend, captured(root)


def test_fit_and_evaluate(made: tuple[str, list[Captured]]) -> None:
    run = made[1][0]
    assert (run.status, run.warnings, run.models) == ("FINISHED", [], ["model"])
    assert {name: len(run.metrics[name]) for name in ("loss", "val_accuracy", "validation_loss", "learning_rate")} == {
        "loss": 3,
        "val_accuracy": 3,
        "validation_loss": 3,
        "learning_rate": 3,
    }
    assert len(run.metrics["batch_loss"]) == 12
    assert run.metrics["test_loss"]
    assert (run.params["epochs"], run.params["opt_learning_rate"], run.params["batch_size"]) == ("3", "0.01", "10")
    assert run.tags["early_stopping_reason"] == "all steps trained"
    assert "checkpoints/step_2/checkpoint.h5" in run.artifacts


def test_loops(made: tuple[str, list[Captured]]) -> None:
    backend, (_, batches, own) = made
    assert len(batches.metrics["loss"]) == 3
    assert (batches.status, batches.warnings) == (own.status, own.warnings) == ("FINISHED", [])
    assert own.params["opt_momentum"] == "0.5"
    assert own.params["opt_learning_rate"] == "0.1"
    if backend == "torch":
        assert own.metrics["steps"] == [(3, 4.0)]
    else:  # JAX keeps the counter in the state that the user's loop carries
        assert "steps" not in own.metrics
