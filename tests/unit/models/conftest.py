"""A run directory with a redactor."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reticent.models import flavor as flavors
from reticent.models import stage
from reticent.models.publish import publish
from reticent.records import SealedRecord, Staged
from reticent_integrations.sklearn.flavor import flavor as SKLEARN
from reticent_integrations.xgboost.flavor import flavor as XGBOOST
from reticent_redact import Redactor, Report

SECRET = "correct-horse-battery-staple"


class RunDirectory:
    """A run's directory, and what happens to a model that is logged to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.report = Report()
        self.redactor = Redactor()
        self.redactor.register(SECRET)

    def staged(self, token: str, path: str = "model") -> Staged:
        return Staged(time=1.0, token=token, path=self.redactor.seal(path, channel="artifact"), kind="model")

    def publish(self, staged: Staged) -> list[SealedRecord]:
        return publish(self.path, staged, self.redactor, self.report)

    def log(self, model: Any, path: str = "model", **options: Any) -> list[SealedRecord]:
        return self.publish(self.staged(stage(self.path, model, **options).token, path))


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two flavours and no other; those that are installed are kept out."""
    monkeypatch.setattr(flavors, "_flavors", {"sklearn": SKLEARN, "xgboost": XGBOOST})
    monkeypatch.setattr(flavors, "_points", dict)
    monkeypatch.setattr(flavors, "_loaded", set())


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path / "runs" / uuid.uuid4().hex)


@pytest.fixture
def data() -> tuple[Any, Any]:
    import pandas as pd

    rows = np.arange(40)
    return pd.DataFrame({"a": rows, "b": rows / 7}), (rows % 3 == 0).astype(int)
