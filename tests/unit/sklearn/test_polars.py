"""Data in polars' tables, as estimators take it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import yaml
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import reticent
from reticent import datasets
from reticent.models.signature.infer import schema
from reticent.testing import captured

polars = pytest.importorskip("polars")

pytestmark = pytest.mark.usefixtures("autolog")
SECRET = "Xq8-trombone-41"


def table(rows=60):
    rng = np.random.default_rng(0)
    columns = {"size": rng.normal(size=rows), "city": ["Oslo", "Rome"] * (rows // 2)}
    return polars.DataFrame({**columns, "password": [SECRET] * rows}), polars.Series("sold", [0, 1, 1] * (rows // 3))


def test_is_described_and_its_secret_columns_are_hidden(root, monkeypatch):
    features, targets = table()
    monkeypatch.delattr(polars.DataFrame, "to_pandas")
    model = make_pipeline(
        make_column_transformer((OneHotEncoder(), ["city"]), ("passthrough", ["size"])), LogisticRegression()
    ).fit(features, targets)
    model.score(features[:30], targets[:30])
    (run,) = captured(root)
    assert not run.warnings
    assert run.datasets == [("dataset", "train"), ("eval", "eval")]
    assert "Pipeline_score_eval" in run.metrics
    assert reticent.flush()
    directory = root / "runs" / run.run_id / "artifacts/model"
    example = json.loads((directory / "input_example.json").read_text())
    assert example["columns"] == ["size", "city", "password"]
    assert [row[:2] for row in example["data"]] == [list(row[:2]) for row in features.rows()[:5]]
    assert not [path for path in root.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    signature = yaml.safe_load((directory / "MLmodel").read_text())["signature"]
    columns = json.loads(signature["inputs"])
    assert [(column["name"], column["type"]) for column in columns] == [
        ("size", "double"),
        ("city", "string"),
        ("password", "string"),
    ]


def test_has_the_digest_of_its_content():
    features, targets = table()
    first = datasets.describe(features, targets)
    assert first == datasets.describe(*table())
    assert first.schema["features"]["columns"][1] == {"name": "city", "type": "String"}
    assert first.profile == {
        "features": {"rows": 60, "columns": 3},
        "targets": {"rows": 60},
        "classes": {"1": 40, "0": 20},
    }
    assert first.digest != datasets.describe(features.with_columns(size=polars.lit(0.0)), targets).digest
    assert datasets.contents(targets=targets) == datasets.contents(targets=targets.to_numpy())
    assert datasets.contents(targets=targets.to_frame()) == datasets.contents(targets=targets)


def test_columns_of_every_kind_in_a_signature():
    kinds = {
        "boolean": [True],
        "integer": polars.Series([1], dtype=polars.Int16),
        "long": [1],
        "float": polars.Series([1.0], dtype=polars.Float32),
        "double": [1.0],
        "string": polars.Series(["a"], dtype=polars.Categorical),
        "binary": [b"a"],
        "datetime": polars.Series([0], dtype=polars.Datetime("us")),
    }
    assert [spec["type"] for spec in schema(polars.DataFrame(kinds))] == list(kinds)
    (nested,) = schema(polars.DataFrame({"a": [[1, 2], None]}))
    assert nested == {"type": "array", "items": {"type": "long"}, "name": "a", "required": False}


def test_the_first_rows_of_what_is_learned_step_by_step(root):
    from sklearn.linear_model import SGDClassifier

    features, targets = table()
    model = SGDClassifier().partial_fit(features.select("size"), targets, classes=[0, 1])
    del model
    assert reticent.flush()
    (run,) = captured(root)
    directory = root / "runs" / run.run_id / "artifacts/model"
    assert json.loads((directory / "input_example.json").read_text())["columns"] == ["size"]
