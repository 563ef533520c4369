"""A model whose framework is not installed says what to install."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import pytest

from reticent.errors import ReticentError
from reticent.models import load_model


@pytest.mark.parametrize(
    ("module", "kind"),
    [
        ("catboost", "model"),
        ("lightgbm", "classifier"),
        ("onnx", "array"),
        ("statsmodels", "OLS"),
        ("xgboost", "booster"),
    ],
)
def test_what_is_missing_is_named(module: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tests = vars(import_module(f"tests.contract.test_{module}_flavor"))
    contract = next(value() for name, value in tests.items() if name.startswith("Test") and name.endswith("Flavor"))
    directory = contract.publish(tmp_path / "runs" / "a", contract.case(kind).model).directory
    for name in list(sys.modules):
        if name.partition(".")[0] == module:
            monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ReticentError, match=rf"needs {module}.*, which is not installed here.* {module}.*==\d"):
        load_model(directory, trust=True)
