"""Keras fit, 4 epochs"""

from __future__ import annotations

from collections.abc import Callable

MLFLOW = "mlflow.tensorflow"


def prepare() -> Callable[[], object]:
    import keras
    import numpy

    X = numpy.random.default_rng(0).normal(size=(256, 8)).astype("float32")
    y = (X[:, 0] > 0).astype("int32")
    layers = [keras.layers.Input((8,)), keras.layers.Dense(16, "relu"), keras.layers.Dense(1, "sigmoid")]
    model = keras.Sequential(layers)
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    return lambda: model.fit(X, y, epochs=4, batch_size=32, validation_split=0.25, verbose=0)
