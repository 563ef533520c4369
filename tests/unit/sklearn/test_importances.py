"""Importances of trees and coefficients of linear models, by the names of the features."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sparse
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from reticent.testing import captured

pytestmark = pytest.mark.usefixtures("autolog")


def importances(root, kind, number=0):
    run = [run for run in captured(root) if run.parent_id is None][number]
    path = root / "runs" / run.run_id / "artifacts" / f"feature_importance_{kind}.json"
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def table(cancer):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"size": cancer[0][:, 0], "shape": cancer[0][:, 1]})
    return frame.assign(color=rng.choice(["red", "blue"], len(frame))), cancer[1]


def test_of_a_forest(table, root):
    frame, labels = table[0][["size", "shape"]], table[1]
    model = RandomForestClassifier(5, random_state=0).fit(frame, labels)
    assert importances(root, "impurity") == dict(zip(["size", "shape"], model.feature_importances_, strict=True))


def test_of_a_pipeline_by_the_names_that_its_steps_give(table, root):
    columns = ColumnTransformer([("number", StandardScaler(), ["size", "shape"]), ("kind", OneHotEncoder(), ["color"])])
    pipeline = make_pipeline(columns, LogisticRegression())
    search = GridSearchCV(pipeline, {"logisticregression__C": [1.0]}, cv=2)
    pipeline.fit(*table)
    search.fit(*table)
    names = ["number__size", "number__shape", "kind__color_blue", "kind__color_red"]
    assert importances(root, "coefficients") == dict(zip(names, pipeline[-1].coef_[0], strict=True))
    assert list(importances(root, "coefficients", 1)) == names


def test_of_several_classes_and_without_names(cancer, root):
    model = LogisticRegression().fit(cancer[0][:, :2], np.arange(len(cancer[1])) % 3)
    assert importances(root, "coefficients") == {"x0": model.coef_[:, 0].tolist(), "x1": model.coef_[:, 1].tolist()}


def test_where_a_step_cannot_name_what_it_gives(cancer, root):
    make_pipeline(FunctionTransformer(np.tanh), SGDClassifier()).fit(*cancer)
    assert list(importances(root, "coefficients"))[:2] == ["x0", "x1"]


def test_of_sparse_coefficients_and_of_very_many_there_are_none(texts, root):
    model = SGDClassifier(random_state=0)
    make_pipeline(CountVectorizer(), model).fit(*texts)

    class Sparse(SGDClassifier):
        def fit(self, X, y):
            return super().fit(X, y).sparsify()

    Sparse().fit(sparse.csr_array(np.eye(4)), [0, 1, 0, 1])
    LogisticRegression().fit(sparse.random_array((20, 6000), density=0.01, random_state=0), np.arange(20) % 2)
    words, *others = captured(root)
    assert any("feature_importance" in path for path in words.artifacts)
    assert "win" in importances(root, "coefficients")
    for run in others:
        assert not any("feature_importance" in path for path in run.artifacts)
        assert run.warnings == []
