"""MLflow itself loads what is published."""

from __future__ import annotations

import json
from pathlib import Path

import mlflow.pyfunc
import numpy as np
import pytest
import scipy.sparse
import xgboost
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer


@pytest.mark.parametrize("kind", ["plain", "cloudpickled"])
def test_sklearn(run, data, kind):
    X, y = data
    model = LogisticRegression()
    if kind == "cloudpickled":
        model = make_pipeline(FunctionTransformer(lambda X: X * 2), model)
    model.fit(X, y)
    run.log(model, input_example=X, signature_outputs=model.predict(X), metadata={"team": "red"})
    path = str(run.path / "artifacts/model")

    assert np.array_equal(mlflow.pyfunc.load_model(path).predict(X), model.predict(X))
    assert np.array_equal(mlflow.sklearn.load_model(path).predict_proba(X), model.predict_proba(X))
    described = mlflow.models.Model.load(path)
    assert described.signature == mlflow.models.infer_signature(X, model.predict(X))
    assert described.load_input_example(path).equals(X.head(5))
    assert json.loads(described.get_serving_input(path)) == {"dataframe_split": X.head(5).to_dict("split", index=False)}
    assert (described.run_id, described.metadata["team"]) == (run.path.name, "red")
    assert mlflow.models.validate_serving_input(path, described.get_serving_input(path)) is not None


@pytest.mark.parametrize("arrays", [False, True])
def test_xgboost_estimator(run, data, arrays):
    X, y = data
    X = X.to_numpy() if arrays else X
    model = xgboost.XGBClassifier(n_estimators=3).fit(X, y)
    run.log(model, input_example=X, signature_outputs=model.predict(X))
    path = str(run.path / "artifacts/model")

    loaded = mlflow.xgboost.load_model(path)
    assert type(loaded) is xgboost.XGBClassifier
    assert np.array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert np.array_equal(mlflow.pyfunc.load_model(path).predict(X), model.predict(X))
    described = mlflow.models.Model.load(path)
    assert described.signature == mlflow.models.infer_signature(X, model.predict(X))
    assert np.array_equal(described.load_input_example(path), X[:5])


def test_xgboost_booster(run, data):
    X, y = data
    model = xgboost.train({"max_depth": 2}, xgboost.DMatrix(X, y), 3)
    run.log(model, input_example=X)
    path = str(run.path / "artifacts/model")
    assert np.array_equal(
        mlflow.xgboost.load_model(path).predict(xgboost.DMatrix(X)), model.predict(xgboost.DMatrix(X))
    )
    assert np.array_equal(mlflow.pyfunc.load_model(path).predict(X), model.predict(xgboost.DMatrix(X)))


def test_a_sparse_example(run, data):
    X = scipy.sparse.csr_matrix(data[0].to_numpy())
    run.log(LogisticRegression().fit(X, data[1]), input_example=X)
    path = str(run.path / "artifacts/model")
    described = mlflow.models.Model.load(path)
    assert described.signature == mlflow.models.infer_signature(X)
    assert (described.load_input_example(path) != X[:5]).nnz == 0


def test_the_environment_is_read(run, data):
    run.log(LogisticRegression().fit(*data))
    path = str(run.path / "artifacts/model")
    environment = mlflow.utils.environment._PythonEnv.from_yaml(f"{path}/python_env.yaml")
    assert environment.dependencies == ["-r requirements.txt"]
    listed = mlflow.pyfunc.get_model_dependencies(path, format="pip")
    assert "scikit-learn==" in Path(listed).read_text()
