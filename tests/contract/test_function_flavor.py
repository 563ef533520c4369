"""The generic flavour, of any callable, class or object that predicts, keeps the contract."""

from __future__ import annotations

from typing import Any

import mlflow
import numpy as np
import pytest
from tests.contract.flavors import FlavorMatrix

from reticent.models import load_pyfunc
from reticent.models.function import flavor
from reticent.testing import ModelCase

ROWS = np.arange(12.0).reshape(4, 3)


def total(rows: Any) -> Any:
    return rows.sum(axis=1)


class Scaled:
    factor = 2.0

    def predict(self, rows: Any) -> Any:
        return rows * self.factor


MODELS: dict[str, Any] = {
    "function": lambda: total,
    "lambda": lambda: lambda rows: rows.max(axis=1),
    "class": lambda: Scaled,
    "object": Scaled,
}


class TestFunctionFlavor(FlavorMatrix):
    flavor = flavor
    module = "cloudpickle"
    kinds = tuple(MODELS)

    def case(self, kind: str) -> ModelCase:
        return ModelCase(MODELS[kind](), ROWS, safe=False)

    def plant(self, model: Any, secret: str) -> bool:
        return kind_of(model) == "object" and super().plant(model, secret)

    def change(self, model: Any) -> bool:
        if kind_of(model) != "object":
            return False
        model.factor = 3.0
        return True

    def mlflow_predicts(self, model: Any, kind: str, example: Any) -> Any:
        return model.predict(example)

    def mlflow_saves(self, model: Any, kind: str, path: str) -> None:
        call = model if kind in ("function", "lambda") else Scaled().predict

        def predict(model_input):  # MLflow takes functions with this one argument alone
            return call(model_input)

        mlflow.pyfunc.save_model(path, python_model=predict, pip_requirements=["cloudpickle"])

    def _mlflow(self) -> Any:
        return mlflow.pyfunc


def kind_of(model: Any) -> str:
    return "object" if isinstance(model, Scaled) else "other"


@pytest.mark.parametrize(
    "loads", [lambda path: load_pyfunc(path, trust=True), lambda path: mlflow.pyfunc.load_model(str(path))]
)
def test_params_reach_a_function_that_takes_them(loads: Any, tmp_path: Any) -> None:
    def powers(rows: Any, params: Any = None) -> Any:
        return rows ** (params or {}).get("exponent", 2)

    published = TestFunctionFlavor().publish(
        tmp_path / "runs" / "a", powers, input_example=ROWS, params={"exponent": 2}
    )
    assert np.array_equal(loads(published.directory).predict(ROWS, params={"exponent": 3}), ROWS**3)
    assert np.array_equal(loads(published.directory).predict(ROWS), ROWS**2)
