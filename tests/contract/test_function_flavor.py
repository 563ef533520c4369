"""The generic flavour, of any callable, class or object that predicts, keeps the contract."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from tests.contract.flavors import FlavorMatrix

from reticent.errors import ReticentError
from reticent.models import load_model, load_pyfunc
from reticent.models.function import flavor
from reticent.testing import ModelCase

ROWS = np.arange(12.0).reshape(4, 3)


def total(rows: Any) -> Any:
    return rows.sum(axis=1)


class Scaled:
    factor = 2.0

    def predict(self, rows: Any) -> Any:
        return rows * self.factor


class Prepared(mlflow.pyfunc.PythonModel):
    """As MLflow's users write them: what is ready for the first prediction is made when the model is loaded."""

    factor = 1.0

    def load_context(self, context: Any) -> None:
        assert (context.artifacts, context.model_config) == ({}, {})
        self.factor *= 2.0

    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
        assert context.artifacts == {}
        return model_input * self.factor


class Stateless(mlflow.pyfunc.PythonModel):
    def predict(self, ctx: Any, rows: Any) -> Any:
        return rows.sum(axis=1)


class WithoutContext(mlflow.pyfunc.PythonModel):
    def predict(self, model_input: Any) -> Any:
        return model_input + 1.0


class Ran:
    """Leaves a mark when it is unpickled."""

    def __reduce__(self) -> Any:
        return exec, ("import os; os.environ['RETICENT_TEST_RAN'] = '1'",)


MODELS: dict[str, Any] = {
    "function": lambda: total,
    "lambda": lambda: lambda rows: rows.max(axis=1),
    "class": lambda: Scaled,
    "object": Scaled,
    "python_model": Stateless,
    "python_model_without_context": WithoutContext,
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
        if kind.startswith("python_model"):
            mlflow.pyfunc.save_model(path, python_model=model, pip_requirements=["cloudpickle"])
            return
        call = model if kind in ("function", "lambda") else Scaled().predict

        def predict(model_input):  # MLflow takes functions with this one argument alone
            return call(model_input)

        mlflow.pyfunc.save_model(path, python_model=predict, pip_requirements=["cloudpickle"])

    def _mlflow(self) -> Any:
        return mlflow.pyfunc


def kind_of(model: Any) -> str:
    return "object" if isinstance(model, Scaled) else "other"


LOADERS: list[Any] = [lambda path: load_pyfunc(path, trust=True), lambda path: mlflow.pyfunc.load_model(str(path))]


def logged(tmp_path: Path, model: Any, **options: Any) -> Path:
    return TestFunctionFlavor().publish(tmp_path / "runs" / "a", model, **options).directory


@pytest.mark.parametrize("loads", LOADERS)
@pytest.mark.parametrize("model", [Prepared(), Prepared], ids=["instance", "class"])
def test_a_python_model_is_prepared_once_when_it_is_loaded(loads: Any, model: Any, tmp_path: Path) -> None:
    loaded = loads(logged(tmp_path, model, input_example=ROWS))
    assert np.array_equal(loaded.predict(ROWS), ROWS * 2.0)
    assert np.array_equal(loaded.predict(ROWS), ROWS * 2.0)


@pytest.mark.parametrize("loads", LOADERS)
def test_params_reach_a_python_model(loads: Any, tmp_path: Path) -> None:
    class Power(mlflow.pyfunc.PythonModel):
        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            return model_input ** params["exponent"]

    loaded = loads(logged(tmp_path, Power(), input_example=ROWS, params={"exponent": 2}))
    assert np.array_equal(loaded.predict(ROWS, params={"exponent": 3}), ROWS**3)


def lengths(model_input: list[str]) -> list[int]:
    assert type(model_input) is list
    return [len(text) for text in model_input]


class Lengths(mlflow.pyfunc.PythonModel):
    def predict(self, context: Any, model_input: Any) -> Any:
        return lengths(model_input)


@pytest.mark.parametrize("loads", LOADERS)
@pytest.mark.parametrize("model", [lengths, lambda rows: lengths(rows), Lengths()])
def test_a_list_stays_a_list(loads: Any, model: Any, tmp_path: Path) -> None:
    loaded = loads(logged(tmp_path, model, input_example=["ab", "c"], signature_outputs=[2, 1]))
    assert loaded.predict(["abc", "", "d"]) == [3, 0, 1]


@pytest.mark.parametrize("loads", LOADERS)
def test_a_function_that_takes_tables_or_columns_gets_them(loads: Any, tmp_path: Path) -> None:
    def of_table(rows: pd.DataFrame) -> Any:
        return rows[0].to_numpy() * 2

    def of_column(rows: pd.Series) -> Any:
        return rows.to_numpy() * 2

    for index, model in enumerate([of_table, of_column]):
        loaded = loads(logged(tmp_path / str(index), model, input_example=[1.5, 2.5]))
        assert list(loaded.predict([1.0, 2.0, 4.0])) == [2.0, 4.0, 8.0]


def test_a_list_that_mlflow_logged_stays_what_mlflow_makes_of_it(tmp_path: Path) -> None:
    def sizes(model_input):
        return [tuple(model_input.shape)]

    path = str(tmp_path / "of_mlflow")
    mlflow.pyfunc.save_model(path, python_model=sizes, input_example=["ab", "c"], pip_requirements=["cloudpickle"])
    assert load_pyfunc(path, trust=True).predict(["ab", "c"]) == mlflow.pyfunc.load_model(path).predict(["ab", "c"])


def test_a_class_that_needs_arguments_is_refused(tmp_path: Path) -> None:
    class Shifted:
        def __init__(self, shift: float) -> None:
            self.shift = shift

        def predict(self, rows: Any) -> Any:
            return rows + self.shift

    with pytest.raises(TypeError, match=r"Shifted.*'shift'.*log an instance"):
        logged(tmp_path, Shifted)
    loaded = load_pyfunc(logged(tmp_path, Shifted(2.0)), trust=True)
    assert np.array_equal(loaded.predict(ROWS), ROWS + 2.0)


@pytest.mark.parametrize("loads", LOADERS)
def test_params_reach_a_function_that_takes_them(loads: Any, tmp_path: Any) -> None:
    def powers(rows: Any, params: Any = None) -> Any:
        return rows ** (params or {}).get("exponent", 2)

    published = TestFunctionFlavor().publish(
        tmp_path / "runs" / "a", powers, input_example=ROWS, params={"exponent": 2}
    )
    assert np.array_equal(loads(published.directory).predict(ROWS, params={"exponent": 3}), ROWS**3)
    assert np.array_equal(loads(published.directory).predict(ROWS), ROWS**2)


@pytest.mark.parametrize("name", ["function.pkl", "function.bin"])
@pytest.mark.parametrize("content", [pickle.dumps(Ran()), pickle.dumps(7), b"no pickle"], ids=["code", "plain", "none"])
def test_no_file_is_unpickled_without_trust(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    (tmp_path / "MLmodel").write_text(
        f"flavors:\n  python_function: {{loader_module: reticent_function, data: {name}}}\n"
    )
    with pytest.raises(ReticentError, match="trust=True"):
        load_model(tmp_path)
    assert "RETICENT_TEST_RAN" not in os.environ
