"""The flavour of Keras keeps the contract, on the backend that Keras takes by itself; the others: tests/unit/keras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import mlflow.keras
import mlflow.tensorflow
import numpy as np
from tests.contract.flavors import FlavorMatrix
from tests.unit.keras.layers import Regressor

from reticent.testing import ModelCase
from reticent_integrations.keras.flavor import flavor

ROWS = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
PAIR = {"one": ROWS[:, :2], "two": ROWS[:, 2:]}


class TestKerasFlavor(FlavorMatrix):
    flavor = flavor
    module = "keras"
    kinds = ("sequential", "several inputs and outputs", "subclassed", "lambda")
    unknown_to_mlflow = ("lambda",)  # unless it is told to load it

    def case(self, kind: str) -> ModelCase:
        keras.utils.set_random_seed(0)
        dense = keras.layers.Dense
        if kind == "several inputs and outputs":
            inputs = [keras.Input((2,), name=name) for name in PAIR]
            hidden = keras.layers.Concatenate()([dense(3)(one) for one in inputs])
            return ModelCase(keras.Model(inputs, [dense(2)(hidden), dense(2)(hidden)]), PAIR)
        if kind == "subclassed":
            model = Regressor(3)
            model(ROWS)
            return ModelCase(model, ROWS, safe=False)
        if kind == "lambda":
            doubled = keras.layers.Lambda(lambda x: x * 2)
            return ModelCase(keras.Sequential([keras.Input((4,)), doubled, dense(1)]), ROWS, safe=False)
        hidden = [dense(3, activation="relu"), keras.layers.Dropout(0.5), keras.layers.BatchNormalization()]
        model = keras.Sequential([keras.Input((4,)), *hidden, dense(1)])
        model.compile("adam", "mse", metrics=["mae"])
        model.fit(ROWS, ROWS[:, :1], verbose=0)
        return ModelCase(model, ROWS)

    def plant(self, model: Any, secret: str) -> bool:
        model.layers[-1].name = secret
        return True

    def change(self, model: Any) -> bool:
        model.set_weights([weight * 2 + 1 for weight in model.get_weights()])
        return True

    def same(self, one: Any, other: Any) -> bool:
        return np.allclose(one, other)  # MLflow gives several outputs as one array

    def mlflow_saves(self, model: Any, kind: str, path: str) -> None:
        mlflow.keras.save_model(model, path, pip_requirements=["keras"])

    def test_mlflow_loads_a_lambda_if_it_is_told_to(self, place: Path) -> None:
        case = self.case("lambda")
        published = self.publish(place, case.model)
        loaded = mlflow.keras.load_model(str(published.directory), load_model_kwargs={"safe_mode": False})
        assert self.same(loaded.predict(ROWS, verbose=0), self.outputs(case))

    def test_the_loader_for_tensorflow_of_mlflow_takes_it_too(self, place: Path) -> None:
        case = self.case("sequential")
        published = self.publish(place, case.model)
        assert self.same(mlflow.tensorflow.load_model(str(published.directory)).predict(ROWS), self.outputs(case))
