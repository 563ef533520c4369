"""What a SavedModel does besides computing is listed, and data of any form is given to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import mlflow.tensorflow
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
import yaml

from reticent.errors import ReticentError
from reticent.models import load_model, load_pyfunc
from reticent_integrations.tensorflow.flavor import flavor, predict

ROWS = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
TEXT = [tf.TensorSpec([], tf.string)]


class Reader(tf.Module):
    @tf.function(input_signature=TEXT)
    def __call__(self, path: Any) -> Any:
        return tf.io.read_file(path)


class Writer(tf.Module):
    """Writes by what TensorFlow itself saves variables by, in a function that is called like the one it does so in."""

    @tf.function(input_signature=TEXT)
    def __call__(self, path: Any) -> Any:
        @tf.function(input_signature=TEXT)
        def _traced_save(path: Any) -> Any:
            tf.raw_ops.SaveV2(prefix=path, tensor_names=["x"], shape_and_slices=[""], tensors=[path])
            return path

        return _traced_save(path)


class Caller(tf.Module):
    @tf.function(input_signature=TEXT)
    def __call__(self, path: Any) -> Any:
        return tf.py_function(lambda given: given, [path], tf.string)


class Difference(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name=name) for name in ("one", "two")])
    def serve(self, one: Any, two: Any) -> Any:
        return one - two


def _written(place: Path, model: Any) -> Path:
    flavors = flavor.save(model, place)
    (place / "MLmodel").write_text(yaml.safe_dump({"flavors": flavors}))
    return place


@pytest.mark.parametrize(
    ("model", "operation"),
    [(Reader, "ReadFile"), (Writer, "SaveV2"), (Caller, "EagerPyFunc")],
    ids=lambda one: str(one),
)
def test_a_graph_that_does_more_than_compute_needs_trust(tmp_path: Path, model: Any, operation: str) -> None:
    _written(tmp_path, model())
    with pytest.raises(ReticentError, match=rf"would import .*tensorflow\.{operation}.*trust=True"):
        load_model(tmp_path)
    load_model(tmp_path, trust=True)


def test_a_damaged_graph_is_refused(tmp_path: Path) -> None:
    _written(tmp_path, Difference())
    file = tmp_path / "tf2model" / "saved_model.pb"
    file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(ReticentError, match="cannot be loaded as tensorflow: DecodeError"):
        load_model(tmp_path)


def test_several_inputs_come_in_any_form(tmp_path: Path) -> None:
    model = load_pyfunc(_written(tmp_path, Difference()))
    one, two = ROWS[:, 0], ROWS[:, 1]
    for given in (
        {"two": two, "one": one},
        {"two": two.tolist(), "one": one.astype("float64")},
        pd.DataFrame({"two": two, "one": one}),
    ):
        assert np.allclose(model.predict(given), one - two)
    with pytest.raises(ValueError, match="the inputs one, two: give a dict"):
        model.predict(ROWS)


def test_a_module_that_was_not_saved_is_asked_directly() -> None:
    class Doubled(tf.Module):
        def __call__(self, rows: Any) -> Any:
            return rows * 2

    assert np.allclose(predict(Doubled(), pd.DataFrame(ROWS), {}), ROWS * 2)


def test_saving_leaves_the_module_as_it_is(tmp_path: Path) -> None:
    model = Difference()
    model.weight = tf.Variable(2.0)
    attributes = set(vars(model))
    flavor.save(model, tmp_path)
    assert set(vars(model)) == attributes
    assert float(model.weight) == 2.0


def test_a_model_of_keras_that_mlflow_saved_as_one_of_tensorflow_is_loaded(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    mlflow.tensorflow.save_model(model, str(tmp_path / "model"), pip_requirements=["tensorflow"])
    # MLflow pickles every class that this process has registered into it.
    loaded = load_pyfunc(tmp_path / "model", trust=True)
    assert np.allclose(loaded.predict(ROWS), model.predict(ROWS, verbose=0))
