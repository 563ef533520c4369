"""Small data, and the runs of the fits to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import reticent


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    chance = np.random.default_rng(0)
    found = pd.DataFrame(chance.normal(size=(80, 3)), columns=["a", "b", "c"]).assign(const=1.0)
    found["y"] = 2 * found["a"] + chance.normal(size=80)
    found["yes"] = (found["y"] > 0).astype(float)
    found["count"] = chance.poisson(2, size=80)
    found["kind"] = chance.integers(0, 3, size=80)
    found["group"] = np.repeat(np.arange(16), 5)
    return found


@pytest.fixture(scope="module")
def series() -> pd.Series:
    values = np.cumsum(np.random.default_rng(1).normal(size=120)) + 50
    return pd.Series(values, index=pd.date_range("2020-01-01", periods=120, freq="D"), name="level")


@pytest.fixture(autouse=True)
def autolog(root: Path) -> None:
    reticent.autolog()
