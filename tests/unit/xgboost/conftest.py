"""A small training, and the run that it makes."""

from __future__ import annotations

from typing import Any

import numpy as np
import xgboost

PARAMS = {"objective": "binary:logistic", "eval_metric": ["logloss", "auc"], "seed": 0, "nthread": 1}
NAMES = ["age", "height", "weight", "income"]


def make_data(rows: int = 80, seed: int = 0, **options: Any) -> xgboost.DMatrix:
    chance = np.random.default_rng(seed)
    X = chance.normal(size=(rows, 4))
    y = X[:, 0] + chance.normal(size=rows) > 0
    return xgboost.DMatrix(X, label=y, feature_names=NAMES, **options)


def train(rounds: int = 6, params: dict[str, Any] = PARAMS, **options: Any) -> xgboost.Booster:
    data = make_data()
    evals = [(data, "train"), (make_data(seed=1), "valid")]
    return xgboost.train(params, data, rounds, **{"evals": evals, "verbose_eval": False, **options})
