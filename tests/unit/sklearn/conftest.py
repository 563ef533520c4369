"""Data, and a process with autologging on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reticent


@pytest.fixture
def autolog(root: Path) -> None:
    reticent.autolog()


@pytest.fixture(scope="session")
def cancer() -> tuple[Any, Any]:
    from sklearn.datasets import load_breast_cancer

    features, labels = load_breast_cancer(return_X_y=True)
    return (features - features.mean(axis=0)) / features.std(axis=0), labels


@pytest.fixture(scope="session")
def diabetes() -> tuple[Any, Any]:
    from sklearn.datasets import load_diabetes

    features, values = load_diabetes(return_X_y=True)
    return features, values


@pytest.fixture(scope="session")
def texts() -> tuple[list[str], list[str]]:
    rng = np.random.default_rng(0)
    words = {"spam": ["win", "money", "now", "free"], "ham": ["meeting", "report", "monday", "lunch"]}
    labels = ["spam", "ham"] * 30
    return [" ".join(rng.choice([*words[label], "the", "a"], 5)) for label in labels], labels
