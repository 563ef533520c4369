"""Models that other releases of MLflow wrote, as their MLmodel files were then, or may be one day."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from sklearn.linear_model import LogisticRegression

from reticent import load_model, load_pyfunc
from reticent.errors import ReticentError

OF_1_0 = """
artifact_path: model
flavors:
  python_function:
    data: model.pkl
    env: conda.yaml
    loader_module: mlflow.sklearn
    python_version: 3.7.3
  sklearn:
    pickled_model: model.pkl
    serialization_format: cloudpickle
    sklearn_version: 0.20.3
run_id: a64b0d3a5f8d4d2f8f4b
utc_time_created: '2019-06-05 12:00:00.000000'
"""
OF_2_9 = """
artifact_path: model
flavors:
  python_function: {env: {conda: conda.yaml, virtualenv: python_env.yaml}, loader_module: mlflow.sklearn,
                    model_path: model.pkl, predict_fn: predict, python_version: 3.10.1}
  sklearn: {code: null, pickled_model: model.pkl, serialization_format: cloudpickle, sklearn_version: 1.3.0}
mlflow_version: 2.9.2
model_size_bytes: 800
model_uuid: 21b2ba23d7d84f2cb6a4e3ac7b21cc4d
signature:
  inputs: '[{"type": "double", "name": "a"}, {"type": "double", "name": "b"}]'
  outputs: '[{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}}]'
  params: null
"""
OF_TOMORROW = """
format_version: 9
flavors:
  sklearn: {pickled_model: model.pkl, serialization_format: pickle, compression: {kind: none}, runtimes: [a, b]}
  quantum: [1, 2]
mlflow_version: 9.9.9
model_id: m-0123456789abcdef
signature: {inputs: null, outputs: null, params: null, streaming: '[{"type": "any"}]'}
"""


@pytest.mark.parametrize("text", [OF_1_0, OF_2_9, OF_TOMORROW], ids=["1.0", "2.9", "tomorrow"])
def test_scikit_learn(text: str, tmp_path: Path, data: Any) -> None:
    X, y = data
    model = LogisticRegression().fit(X, y)
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(model))
    (tmp_path / "MLmodel").write_text(text)
    with pytest.raises(ReticentError, match=r"would import .*LogisticRegression"):
        load_model(tmp_path)
    assert np.array_equal(load_pyfunc(tmp_path, trust=True).predict(X.astype(float)), model.predict(X))


def test_xgboost_before_it_named_a_class(tmp_path: Path, data: Any) -> None:
    X, y = data
    booster = xgboost.train({"max_depth": 2}, xgboost.DMatrix(X, y), 3)
    booster.save_model(tmp_path / "model.xgb")
    (tmp_path / "MLmodel").write_text(
        "flavors:\n  python_function: {data: model.xgb, loader_module: mlflow.xgboost}\n"
        "  xgboost: {data: model.xgb, xgb_version: 1.4.2}\n"
    )
    assert np.array_equal(load_pyfunc(tmp_path).predict(X), booster.predict(xgboost.DMatrix(X)))
