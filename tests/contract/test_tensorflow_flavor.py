"""The flavour of TensorFlow keeps the contract."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow.tensorflow
import numpy as np
import pytest
import tensorflow as tf
from tests.contract.flavors import FlavorMatrix

from reticent.testing import ModelCase
from reticent_integrations.tensorflow.flavor import flavor

ROWS = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")


class Linear(tf.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = tf.Variable(tf.constant(np.arange(8, dtype="float32").reshape(4, 2)))

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="rows")])
    def __call__(self, rows: Any) -> Any:
        return rows @ self.weight


class Sums(tf.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = tf.Variable(tf.ones([4, 4]))

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name=name) for name in ("one", "two")])
    def serve(self, one: Any, two: Any) -> Any:
        return {"sum": one @ self.weight + two, "difference": one @ self.weight - two}


class TestTensorFlowFlavor(FlavorMatrix):
    flavor = flavor
    module = "tensorflow"
    kinds = ("module", "loaded", "several signatures")
    unknown_to_mlflow = (
        "several signatures",
        "loaded",
    )  # it calls what it has loaded with one array, and saves modules only

    @pytest.fixture(autouse=True)
    def _directory(self, tmp_path: Path) -> None:
        self.directory = tmp_path / "made by the user"

    def case(self, kind: str) -> ModelCase:
        if kind == "module":
            return ModelCase(Linear(), ROWS)
        if kind == "loaded":
            tf.saved_model.save(Linear(), str(self.directory))
            return ModelCase(tf.saved_model.load(str(self.directory)), ROWS)
        sums = Sums()
        tf.saved_model.save(sums, str(self.directory), signatures={"serving_default": sums.serve, "other": sums.serve})
        return ModelCase(tf.saved_model.load(str(self.directory)), {"one": ROWS, "two": ROWS + 1})

    def plant(self, model: Any, secret: str) -> bool:
        model.note = tf.Variable(secret)
        return True

    def change(self, model: Any) -> bool:
        model.weight.assign(model.weight * 2 + 1)
        return True

    def mlflow_saves(self, model: Any, kind: str, path: str) -> None:
        mlflow.tensorflow.save_model(model, path, pip_requirements=["tensorflow"])
