"""What is asked of a model after its training, and loops that users write themselves."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn import metrics

import reticent
from reticent.runlog import ARTIFACTS
from reticent.testing import Captured

from .conftest import Runs, X, Y, make_model
from .layers import Regressor

OnlyRun = Callable[[], Captured]


def test_evaluate_and_predict_are_of_the_run_that_trained(only_run: OnlyRun) -> None:
    model = make_model()
    model.fit(X, Y, verbose=0)
    asked = model.evaluate(X[:20], Y[:20], verbose=0)
    by_name = model.evaluate(X[20:], Y[20:], verbose=0, return_dict=True)
    again = model.evaluate(X[:20], Y[:20], verbose=0)
    model.predict(X[:7], verbose=0)
    run = only_run()
    assert [value for _, value in run.metrics["test_loss"]] == pytest.approx([asked[0], again[0]])
    assert [value for _, value in run.metrics["test_accuracy"]] == pytest.approx([asked[1], again[1]])
    assert run.metrics["test_2_loss"][0][1] == pytest.approx(by_name["loss"])
    assert len(run.metrics["test_seconds"]) == 3
    assert len(run.metrics["predict_seconds"]) == 1
    assert run.datasets == [("train", "train"), ("test", "test"), ("test_2", "test"), ("predict", "predict")]


def test_data_that_a_training_validates_itself_by_is_listed_once(only_run: OnlyRun) -> None:
    model = make_model()
    model.fit(X, Y, validation_data=(X[:20], Y[:20]), verbose=0)
    model.evaluate(X[:20], Y[:20], verbose=0)
    run = only_run()
    assert run.datasets == [("train", "train"), ("validation", "eval")]
    assert len(run.metrics["test_loss"]) == 1


def test_metrics_of_predictions_are_the_fits(only_run: OnlyRun) -> None:
    model = make_model()
    model.fit(X, Y, verbose=0)
    expected = metrics.mean_squared_error(Y, model.predict(X, verbose=0))
    area = metrics.roc_auc_score(Y[:20], model.predict(X[:20], verbose=0).ravel())
    run = only_run()
    assert run.metrics["mean_squared_error_training"] == [(0, pytest.approx(expected))]
    assert run.metrics["roc_auc_score_eval"] == [(0, pytest.approx(area))]
    assert run.warnings == []


def test_a_model_of_a_loop_is_asked_in_its_run(runs: Runs) -> None:
    def asked(model: Any) -> float:
        loss = model.evaluate(X[:20], Y[:20], verbose=0, return_dict=True)["loss"]
        model.predict(X[:7], verbose=0)
        return float(loss)

    compiled, taped, optimizer = make_model(), make_model(), keras.optimizers.SGD(0.1)
    losses = []
    for _ in range(2):
        compiled.train_on_batch(X, Y)
        losses.append(asked(compiled))
    optimizer.apply([keras.ops.ones_like(one) for one in taped.trainable_variables], taped.trainable_variables)
    taped_loss = asked(taped)
    error = metrics.mean_squared_error(Y, taped.predict(X, verbose=0))
    references = weakref.ref(compiled), weakref.ref(taped)
    first, second = runs()
    assert [value for _, value in first.metrics["test_loss"]] == pytest.approx(losses)
    assert [value for _, value in second.metrics["test_loss"]] == pytest.approx([taped_loss])
    assert second.metrics["mean_squared_error_eval"] == [(0, pytest.approx(error))]
    assert first.datasets == [("test", "test"), ("predict", "predict")]
    del compiled, taped, optimizer
    gc.collect()
    assert [reference() for reference in references] == [None, None]
    first, second = runs()
    assert (first.models, first.warnings) == (second.models, second.warnings) == (["model"], [])


def test_models_that_nobody_trained_here_are_asked_without_a_trace(runs: Runs) -> None:
    model = make_model()
    model.evaluate(X, Y, verbose=0)
    model.predict(X, verbose=0)
    assert runs() == []


def test_in_a_run_of_the_users_an_evaluation_is_part_of_it(runs: Runs) -> None:
    model = make_model()
    model.fit(X, Y, verbose=0)
    with reticent.start_run("evaluation"):
        model.evaluate(X, Y, verbose=0)
    model.evaluate(X, Y, verbose=0)
    trained, evaluation = runs()
    assert len(evaluation.metrics["test_loss"]) == len(trained.metrics["test_loss"]) == 1


def test_a_model_may_be_asked_a_thousand_times(only_run: OnlyRun) -> None:
    model = make_model()
    model.fit(X, Y, verbose=0)
    for row in np.random.default_rng(1).normal(size=(60, 1, 4)).astype("float32"):
        model.predict(row, verbose=0)
    run = only_run()
    assert len(run.datasets) == 51
    assert len(run.metrics["predict_seconds"]) == 60


def test_a_loop_may_end_while_the_graph_of_another_is_made(only_run: OnlyRun) -> None:
    model = make_model("adam")
    model.train_on_batch(X[:8], Y[:8])
    del model
    tf.function(gc.collect)()  # while it is traced
    run = only_run()
    assert run.status == "FINISHED"
    assert run.metrics["steps"] == [(0, 1.0)]
    assert run.warnings == []


def test_train_on_batch_is_a_run(runs: Runs) -> None:
    model = make_model("adam")
    results = [model.train_on_batch(X[start : start + 8], Y[start : start + 8]) for start in range(0, 40, 8)]
    other = make_model(metrics=None)
    loss = other.train_on_batch(X, Y)
    del model, other
    gc.collect()
    first, second = runs()
    assert first.status == second.status == "FINISHED"
    assert first.metrics["loss"] == [(step, loss) for step, (loss, _) in enumerate(results)]
    assert first.metrics["accuracy"] == [(step, score) for step, (_, score) in enumerate(results)]
    assert first.metrics["steps"] == [(4, 5.0)]
    assert first.metrics["peak_memory_mb"][0][1] > 1
    assert first.params["opt_name"].startswith("adam")  # Keras numbers the later ones of a process
    assert first.params["batch_size"] == "8"
    assert first.params["loss"] == "binary_crossentropy"
    assert "model_summary.txt" in first.artifacts
    assert second.metrics["loss"] == [(0, pytest.approx(loss))]
    assert first.warnings == second.warnings == []


@pytest.mark.parametrize("kind", ["built", "built by its data", "functional", "of the script's own class"])
def test_the_model_of_a_loop_is_stored_that_is_garbage_when_its_run_ends(kind: str, root: Path, runs: Runs) -> None:
    def train() -> tuple[weakref.ref[Any], Any]:
        layers = [keras.layers.Dense(3), keras.layers.BatchNormalization(), keras.layers.Dense(1)]
        if kind == "functional":
            given = keras.Input((4,))
            hidden = layers[0](given)
            model = keras.Model(given, layers[2](layers[1](hidden)))
        elif kind == "of the script's own class":
            model = Regressor(4)
            model.step = lambda rows: model(rows, training=True)
        else:
            model = keras.Sequential([keras.Input((4,)), *layers] if kind == "built" else layers)
        model.compile("adam", "mse")
        for _ in range(3):
            model.train_on_batch(X, Y)
        return weakref.ref(model), model.predict_on_batch(X)

    gone, outputs = train()
    gc.collect()
    assert gone() is None
    (run,) = runs()
    assert (run.status, run.models, run.warnings) == ("FINISHED", ["model"], [])
    stored = reticent.load_model(root / "runs" / run.run_id / ARTIFACTS / "model", trust=kind.endswith("class"))
    assert np.allclose(stored.predict(X[:7], verbose=0), outputs[:7], atol=1e-6)


def test_loops_join_the_users_run(only_run: OnlyRun) -> None:
    model = make_model()
    with reticent.start_run() as run:
        model.train_on_batch(X, Y, return_dict=True)
        model.train_on_batch(X, Y)
        assert run.status.value == "RUNNING"
        model.fit(X, Y, verbose=0)
    found = only_run()
    assert len(found.metrics["loss"]) == 2
    assert len(found.metrics["fit_2.loss"]) == 1
    assert found.warnings == []


def test_what_is_known_at_the_end_of_a_loop_is_in_the_users_run(runs: Runs) -> None:
    model = make_model()
    with reticent.start_run():
        model.train_on_batch(X, Y)
        model.train_on_batch(X, Y)
    model.train_on_batch(X, Y)
    del model
    gc.collect()
    of_user, later = runs()
    assert (of_user.metrics["steps"], of_user.models, of_user.warnings) == ([(1, 2.0)], ["model"], [])
    assert (len(later.metrics["loss"]), later.status, later.warnings) == (1, "FINISHED", [])


def steps(optimizer: Any, count: int, *, compiled: bool) -> Any:
    model = make_model()

    def step(rows: Any, labels: Any) -> None:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(rows)[:, 0] - labels) ** 2)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))

    made = tf.function(step) if compiled else step
    for _ in range(count):
        made(tf.constant(X), tf.constant(Y))
    return model.get_weights()


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "tf.function"])
def test_a_loop_with_a_tape_is_a_run(compiled: bool, runs: Runs) -> None:
    logged = steps(keras.optimizers.SGD(0.1, momentum=0.5), 6, compiled=compiled)
    runs()
    gc.collect()  # the optimizer, when nobody looks at it any more
    (run,) = runs()
    assert run.status == "FINISHED"
    assert run.metrics["steps"] == [(5, 6.0)]
    assert run.metrics["peak_memory_mb"][0][1] > 1
    assert (run.params["opt_momentum"], run.params["opt_learning_rate"]) == ("0.5", "0.1")
    assert run.tags["autologging"] == "keras"
    assert (run.params["num_parameters"], run.params["model_class"]) == ("19", "Sequential")
    assert "model_summary.txt" in run.artifacts
    assert run.models == ["model"]
    assert run.warnings == []
    assert reticent.active_run() is None
    reticent.autolog(disable=True)
    plain = steps(keras.optimizers.SGD(0.1, momentum=0.5), 6, compiled=compiled)
    assert [one.tobytes() for one in logged] == [one.tobytes() for one in plain]


def test_a_model_that_leads_to_its_optimizer_is_not_kept_alive(runs: Runs) -> None:
    def train() -> weakref.ref[Any]:
        model = make_model()
        for _ in range(2):
            model.optimizer.apply(
                [keras.ops.ones_like(one) for one in model.trainable_variables], model.trainable_variables
            )
        return weakref.ref(model)

    reference = train()
    gc.collect()
    assert reference() is None
    (run,) = runs()
    assert (run.status, run.metrics["steps"], run.params["num_parameters"]) == ("FINISHED", [(1, 2.0)], "19")


def test_of_two_models_the_one_that_is_trained(only_run: OnlyRun) -> None:
    small = make_model()
    whole = keras.Sequential([keras.Input((4,)), small, keras.layers.Dense(2)])
    keras.Sequential([keras.Input((4,)), whole, keras.layers.Dense(5)])
    optimizer = keras.optimizers.SGD()
    optimizer.apply([keras.ops.ones_like(one) for one in whole.trainable_variables], whole.trainable_variables)
    found = only_run()
    assert found.params["num_parameters"] == str(whole.count_params())


def test_steps_of_train_on_batch_are_those_of_one_loop(runs: Runs) -> None:
    model = make_model(run_eagerly=True)
    for _ in range(3):
        model.train_on_batch(X, Y)
    with pytest.raises(ValueError, match="incompatible"):
        model.train_on_batch(X[:, :2], Y)
    model.train_on_batch(X, Y)
    del model
    gc.collect()
    (run,) = runs()
    assert (len(run.metrics["loss"]), run.metrics["steps"], run.params["loss"]) == (
        4,
        [(3, 4.0)],
        "binary_crossentropy",
    )
    assert (run.status, run.warnings) == ("FINISHED", [])


def test_what_fit_does_inside_is_no_loop(only_run: OnlyRun) -> None:
    make_model(run_eagerly=True).fit(X, Y, verbose=0)
    assert only_run().models == ["model"]
