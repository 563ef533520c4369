"""A small training, and the run that it makes."""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np

PARAMS: dict[str, Any] = {
    "objective": "binary",
    "metric": ["binary_logloss", "auc"],
    "seed": 0,
    "num_threads": 1,
    "verbose": -1,
}
NAMES = ["age", "height", "weight", "income"]


def make_rows(rows: int = 80, seed: int = 0) -> tuple[Any, Any]:
    chance = np.random.default_rng(seed)
    X = chance.normal(size=(rows, 4))
    return X, (X[:, 0] + chance.normal(size=rows) > 0).astype(int)


def make_data(rows: int = 80, seed: int = 0, **options: Any) -> lightgbm.Dataset:
    X, y = make_rows(rows, seed)
    return lightgbm.Dataset(X, y, **{"feature_name": NAMES, **options})


def train(rounds: int = 6, params: dict[str, Any] = PARAMS, **options: Any) -> lightgbm.Booster:
    data = make_data()
    valid = {"valid_sets": [data, make_data(seed=1, reference=data)], "valid_names": ["train", "valid"]}
    return lightgbm.train(params, data, rounds, **{**valid, **options})
