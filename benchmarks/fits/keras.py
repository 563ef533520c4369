"""Keras fit"""

from __future__ import annotations

from collections.abc import Callable

MLFLOW = "mlflow.tensorflow"
SIZES = {
    "4 epochs of 6 steps": {"epochs": 4, "rows": 256, "width": 16},
    "10 epochs of 75 steps, 1 MB": {"epochs": 10, "rows": 3_200, "width": 512},
}


def prepare(epochs: int, rows: int, width: int) -> Callable[[], object]:
    import keras
    import numpy

    X = numpy.random.default_rng(0).normal(size=(rows, 8)).astype("float32")
    y = (X[:, 0] > 0).astype("int32")
    hidden = [keras.layers.Dense(width, "relu") for _ in range(2)]
    model = keras.Sequential([keras.layers.Input((8,)), *hidden, keras.layers.Dense(1, "sigmoid")])
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    return lambda: model.fit(X, y, epochs=epochs, batch_size=32, validation_split=0.25, verbose=0)
