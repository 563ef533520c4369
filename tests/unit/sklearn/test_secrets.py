"""Secrets among the parameters of an estimator, wherever these are written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

import reticent
from reticent.testing import captured

pytestmark = pytest.mark.usefixtures("autolog")

SECRET = "plain words by which nobody would know"


class Fetching(TransformerMixin, BaseEstimator):
    """A step that reads something from a server."""

    def __init__(self, password: str = "", url: str = "") -> None:
        self.password = password
        self.url = url

    def fit(self, X: Any, y: Any = None) -> Fetching:
        return self

    def transform(self, X: Any) -> Any:
        return X


def fetched(X: Any, api_key: str = "") -> Any:
    return X


def leaks(root: Path) -> list[str]:
    files = [path for path in root.rglob("*") if path.is_file() and "quarantine" not in path.parts]
    return [str(path.relative_to(root)) for path in files if SECRET.encode() in path.read_bytes()]


def test_in_a_step_and_in_its_keyword_arguments(cancer, root):
    make_pipeline(Fetching(password=SECRET), LogisticRegression()).fit(*cancer)
    make_pipeline(FunctionTransformer(fetched, kw_args={"api_key": SECRET}), LogisticRegression()).fit(*cancer)
    step, arguments = captured(root)
    assert step.params["fetching"].startswith("Fetching(password='[REDACTED")
    assert step.params["fetching__password"].startswith("[REDACTED")
    assert "REDACTED" in arguments.params["functiontransformer__kw_args"]
    assert "estimator.html" in step.artifacts
    assert step.models == [], "the model has the secret in it"
    assert leaks(root) == []


def test_among_the_candidates_of_a_search(cancer, root):
    pipeline = make_pipeline(Fetching(), LogisticRegression())
    grid = {"fetching__password": [SECRET], "logisticregression__C": [0.1, 1.0]}
    GridSearchCV(pipeline, grid, cv=2).fit(*cancer)
    search, *children = captured(root)
    assert "REDACTED" in search.params["best_fetching__password"]
    assert "REDACTED" in search.params["param_grid"]
    assert len(children) == 2
    assert all("REDACTED" in child.params["fetching__password"] for child in children)
    table = (root / "runs" / search.run_id / "artifacts/cv_results.csv").read_text()
    assert "REDACTED" in table
    assert leaks(root) == []


def test_in_the_names_that_an_encoder_makes_of_values(root: Path) -> None:
    data = pandas.DataFrame(
        {"password": [SECRET, "another one of them"] * 20, "colour": ["red", "blue", "red", "red"] * 10}
    )
    encoder = make_column_transformer((OneHotEncoder(), ["password", "colour"]))
    make_pipeline(encoder, LogisticRegression()).fit(data, [0, 1] * 20)
    (run,) = captured(root)
    assert run.models == [], "the model has the secret in it"
    assert leaks(root) == []
    (artifact,) = [one for one in reticent.get_run(run.run_id).artifacts() if "coefficients.json" in one.path]
    names = list(json.loads(reticent.get_run(run.run_id).artifact_path(artifact.path).read_text()))
    assert names == [
        "onehotencoder__password_0", "onehotencoder__password_1", "onehotencoder__colour_blue", "onehotencoder__colour_red",
    ]  # fmt: skip
