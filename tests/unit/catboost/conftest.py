"""Small trainings, and the runs that they make."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import catboost
import numpy as np
import pandas as pd
import pytest

import reticent

QUIET = {"verbose": False, "thread_count": 1, "allow_writing_files": False}
NAMES = ["age", "height", "weight", "income"]


def make_data(rows: int = 80, seed: int = 0) -> tuple[Any, Any]:
    chance = np.random.default_rng(seed)
    X = pd.DataFrame(chance.normal(size=(rows, 4)), columns=NAMES)
    return X, (X["age"] + chance.normal(size=rows) > 0).astype(int)


def classifier(**params: Any) -> catboost.CatBoostClassifier:
    return catboost.CatBoostClassifier(**{"iterations": 6, "depth": 2, **QUIET, **params})


def points(values: list[float], steps: list[int] | range | None = None) -> list[tuple[int, float]]:
    return list(zip(range(len(values)) if steps is None else steps, values, strict=True))


@pytest.fixture(autouse=True)
def autolog(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CatBoost alone is captured; what it writes by itself is in a directory of the test's."""
    monkeypatch.chdir(tmp_path)
    reticent.autolog(sklearn=False)
