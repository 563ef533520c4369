"""Models that become ONNX models give what they gave, asked by us and by MLflow with the same data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightgbm
import mlflow.pyfunc
import numpy as np
import onnx
import pandas as pd
import pytest
import xgboost
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from reticent.errors import ReticentError
from reticent.models import flavor as flavors
from reticent.models import load_pyfunc
from reticent.models.convert import differs, to_onnx
from reticent_integrations.catboost.flavor import flavor as CATBOOST
from reticent_integrations.lightgbm.flavor import flavor as LIGHTGBM
from reticent_integrations.onnx.flavor import flavor as ONNX
from reticent_integrations.sklearn.flavor import flavor as SKLEARN

RANDOM = np.random.default_rng(0)
FLOATS = pd.DataFrame(RANDOM.normal([14, 20, 90], [3, 4, 20], (200, 3)), columns=["mean radius", "texture", "label"])
CLASSES = (FLOATS["mean radius"] > 14).astype(int)
WORDS = np.array(["no", "yes"])[CLASSES]
COUNTS = pd.DataFrame(RANDOM.integers(0, 9, (200, 3)), columns=list("abc"))
FLAGS = COUNTS.assign(b=COUNTS["b"] > 4)
MIXED = FLOATS.assign(town=RANDOM.choice(["a", "b c", "d"], 200), age=RANDOM.integers(18, 80, 200))


@pytest.fixture(autouse=True)
def known(registered: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for flavor in (ONNX, LIGHTGBM, CATBOOST):
        monkeypatch.setitem(flavors._flavors, flavor.name, flavor)


C_OF_STEP = {"logisticregression__C": [0.1, 1]}


def columns() -> Any:
    numbers = ("numbers", StandardScaler(), ["mean radius", "age"])
    return ColumnTransformer([numbers, ("towns", OneHotEncoder(), ["town"])], remainder="passthrough")


def forest() -> Any:
    return RandomForestClassifier(5, max_depth=3, random_state=0)


def xgb() -> Any:
    return xgboost.XGBClassifier(n_estimators=3)


def lgbm() -> Any:
    return lightgbm.LGBMClassifier(n_estimators=3, verbose=-1)


def catboost(kind: str = "CatBoostClassifier") -> Any:
    import catboost

    return getattr(catboost, kind)(iterations=3, verbose=False, allow_writing_files=False, thread_count=1)


MODELS: dict[str, tuple[Callable[[], Any], Any, Any]] = {
    "pipeline": (lambda: make_pipeline(StandardScaler(), LogisticRegression()), FLOATS, CLASSES),
    "pipeline, words": (lambda: make_pipeline(StandardScaler(), LogisticRegression()), FLOATS, WORDS),
    "pipeline, array": (lambda: make_pipeline(StandardScaler(), LogisticRegression()), FLOATS.to_numpy(), CLASSES),
    "columns and forest": (lambda: make_pipeline(columns(), forest()), MIXED, WORDS),
    "search among columns": (
        lambda: GridSearchCV(
            make_pipeline(columns(), LogisticRegression(max_iter=1000)), {"logisticregression__C": [0.1, 1]}, cv=2
        ),
        MIXED,
        CLASSES,
    ),
    "estimator": (LinearRegression, FLOATS, FLOATS["mean radius"] * 2),
    "two targets": (LinearRegression, FLOATS, FLOATS[["mean radius", "texture"]] * 2),
    "forest": (forest, FLOATS, CLASSES),
    "search": (lambda: GridSearchCV(LogisticRegression(), {"C": [0.1, 1]}, cv=2), FLOATS, CLASSES),
    "integers": (forest, COUNTS, CLASSES),
    "integers, array": (forest, COUNTS.to_numpy(), CLASSES),
    "flags": (forest, FLAGS, CLASSES),
    "XGBoost": (xgb, FLOATS, CLASSES),
    "XGBoost, integers": (xgb, COUNTS, CLASSES),
    "LightGBM": (lgbm, FLOATS, WORDS),
    "CatBoost": (catboost, FLOATS, CLASSES),
    "CatBoost, words": (catboost, FLOATS, WORDS),
    "CatBoost, numbers": (lambda: catboost("CatBoostRegressor"), FLOATS, FLOATS["texture"]),
}


@pytest.mark.parametrize("kind", MODELS)
def test_it_predicts_what_it_predicted(run: Any, tmp_path: Path, kind: str) -> None:
    make, rows, target = MODELS[kind]
    model = make().fit(rows, target)
    expected = model.predict(rows)
    run.log(model, input_example=rows, signature_outputs=expected)
    source = run.path / "artifacts/model"
    to_onnx(str(source), tmp_path / "onnx", trust=True)
    ours = load_pyfunc(tmp_path / "onnx")
    assert differs(ours.predict(rows), expected) == ""
    assert len(ours.model.graph.output) == (2 if kind == "two targets" else 1)
    was = load_pyfunc(source, trust=True).signature
    assert ours.signature is not None
    assert was is not None
    assert ours.signature.outputs == was.outputs
    if kind in ("columns and forest", "search among columns", "flags"):
        assert [one.name for one in ours.model.graph.input] == list(rows.columns)

    if isinstance(rows, pd.DataFrame):  # MLflow gives ONNX Runtime pandas' own arrays of texts, which takes none
        rows = rows.astype({name: object for name in rows if rows[name].dtype.kind == "O"})
    assert differs(mlflow.pyfunc.load_model(str(tmp_path / "onnx")).predict(rows), expected) == ""


def test_who_built_catboost_is_in_no_converted_model() -> None:
    assert CATBOOST.to_onnx is not None
    content = CATBOOST.to_onnx(catboost().fit(FLOATS, CLASSES), FLOATS.head())
    assert b"Git info" not in content
    assert b"catboost_version_info" in content


def _changed(change: Callable[[Any], None], model: Any, example: Any) -> bytes:
    assert SKLEARN.to_onnx is not None
    made = onnx.load_from_string(SKLEARN.to_onnx(model, example))
    change(made)
    return bytes(made.SerializeToString())


def _negate(model: Any) -> None:
    attributes = {one.name: one for node in model.graph.node for one in node.attribute}
    floats = attributes["coefficients"].floats
    floats[:] = [-value for value in floats]


def _widen(model: Any) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 7


@pytest.mark.parametrize(
    ("change", "reason"),
    [(_negate, "differs from it for the input example: 5 of 5 values are others"), (_widen, "fails for the input ex")],
)
def test_what_a_converter_got_wrong_is_not_written(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Any], None], reason: str
) -> None:
    model = LinearRegression().fit(FLOATS, FLOATS["mean radius"] * 2)
    run.log(model, input_example=FLOATS)
    wrong = replace(SKLEARN, to_onnx=lambda model, example: _changed(change, model, example))
    monkeypatch.setitem(flavors._flavors, "sklearn", wrong)
    with pytest.raises(ReticentError, match=f"cannot be converted: what the converter made of it {reason}"):
        to_onnx(str(run.path / "artifacts/model"), tmp_path / "onnx", trust=True)
    assert not (tmp_path / "onnx").exists()


def test_what_is_too_much_for_floats_is_refused(run: Any, tmp_path: Path) -> None:
    rows = pd.DataFrame({"time": 1.7e9 + np.arange(40.0), "b": np.arange(40.0)})
    run.log(make_pipeline(StandardScaler(), LinearRegression()).fit(rows, rows["time"] - 1.7e9), input_example=rows)
    with pytest.raises(ReticentError, match=r"cannot be converted: .* differs for the input example: \d of 5 values"):
        to_onnx(str(run.path / "artifacts/model"), tmp_path / "onnx", trust=True)
    assert not (tmp_path / "onnx").exists()


@pytest.mark.parametrize(
    ("given", "expected", "difference"),
    [
        ([1.0, 2.00009], np.array([1, 2]), ""),
        ([1.0, 2.01], np.array([1, 2]), "1 of 2 values are others"),
        ([1.0, np.nan], np.array([1, np.nan]), ""),
        (pd.DataFrame({"label": ["a", "b"]}), np.array([["a"], ["b"]]), ""),
        (pd.DataFrame({"label": ["a", "c"]}), np.array(["a", "b"], dtype=object), "1 of 2 values are others"),
        ({"label": np.array(["0", "1"])}, np.array([0, 1]), "2 of 2 values are others"),
        ([1, 2, 3], [1, 2], "it gives 3 values, not 2"),
        (pd.DataFrame({"a": [1, 2], "b": [3, 4]}), np.array([[1, 3], [2, 4]]), ""),
        (pd.DataFrame({"a": [1, 2], "b": [3, 4]}), [np.array([1, 2]), np.array([3, 5])], "1 of 2 values are others"),
    ],
)
def test_how_predictions_differ(given: Any, expected: Any, difference: str) -> None:
    assert differs(given, expected) == difference
