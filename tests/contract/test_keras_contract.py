"""The Keras integration keeps what integrations promise, on the backend that is configured: TensorFlow if none is."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from reticent.testing import Canary, ExampleCall, IntegrationContract
from reticent_integrations.keras import integration

X = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")


class Halving(keras.callbacks.Callback):  # type: ignore[misc] # Keras's classes are not typed
    """A user's own callback: it changes the learning rate, and keeps no model that a test would compare."""

    def set_model(self, model: Any) -> None:
        self.optimizer = model.optimizer

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.optimizer.learning_rate = 0.1 / 2**epoch

    def on_train_end(self, logs: Any = None) -> None:
        del self.optimizer


def make_model(name: str = "small", optimizer: str = "adam", metric: str = "accuracy") -> Any:
    """The same weights each time, without the seeds that all threads of a process share."""
    start = keras.initializers.GlorotUniform(seed=0)
    layers = [
        keras.Input((4,), name="given"),
        keras.layers.Dense(3, activation="relu", kernel_initializer=start, name="hidden"),
        keras.layers.Dense(1, activation="sigmoid", kernel_initializer=start, name="last"),
    ]
    model = keras.Sequential(layers, name=name)
    metrics = [keras.metrics.BinaryAccuracy(name=metric)]
    model.compile(keras.optimizers.Adam(0.1, name=optimizer), "binary_crossentropy", metrics=metrics)
    return model


class TestKeras(IntegrationContract):
    integration = integration
    code = """
import numpy
model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
model.fit(numpy.ones((4, 2)), numpy.ones(4), verbose=0)
"""

    def call(self) -> ExampleCall:
        x, y = X.copy(), (X[:, 0] > 0).astype("float32")
        arguments = {
            "x": x,
            "y": y,
            "batch_size": 16,
            "epochs": 2,
            "verbose": 0,
            "callbacks": [Halving()],
            "validation_split": 0.0,
            "validation_data": (X[:20].copy(), y[:20].copy()),
            "shuffle": False,
        }
        return ExampleCall(make_model().fit, arguments, optional=("callbacks", "validation_data", "batch_size"))

    def call_with_secrets(self, canary: Canary) -> ExampleCall:
        model = make_model(canary.shaped, canary.shaped, f"api_key={canary.keyed} {canary.shaped}")
        weights = {0: 1.0, 1: 2.0}
        arguments = {"x": X, "y": (X[:, 0] > 0).astype("float32"), "verbose": 0, "class_weight": weights}
        return ExampleCall(model.fit, arguments)

    def failing_call(self, error: BaseException) -> ExampleCall:
        class Failing(keras.callbacks.Callback):  # type: ignore[misc] # Keras's classes are not typed
            def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
                raise error

        arguments = {"x": X, "y": (X[:, 0] > 0).astype("float32"), "epochs": 3, "verbose": 0, "callbacks": [Failing()]}
        return ExampleCall(make_model().fit, arguments)

    def outcome(self, returned: Any) -> object:
        weights = [weight.tobytes() for weight in returned.model.get_weights()]
        return weights, {name: list(map(float, values)) for name, values in returned.history.items()}
