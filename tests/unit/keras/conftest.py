"""A small model with data, and the runs that trainings make."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import reticent
from reticent.testing import Captured, captured

X = np.random.default_rng(0).normal(size=(40, 4)).astype("float32")
Y = (X[:, 0] > 0).astype("float32")

Runs = Callable[[], list[Captured]]


def make_model(optimizer: Any = "sgd", **options: Any) -> Any:
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(3, activation="relu"), keras.layers.Dense(1, activation="sigmoid")]
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.compile(optimizer, **{"loss": "binary_crossentropy", "metrics": ["accuracy"], **options})
    return model


@pytest.fixture
def runs(root: Path) -> Runs:
    """Autologging is on; all the runs that there are, the oldest first."""
    reticent.autolog()
    return lambda: captured(root)


@pytest.fixture
def only_run(runs: Runs) -> Callable[[], Captured]:
    def find() -> Captured:
        (run,) = runs()
        return run

    return find
