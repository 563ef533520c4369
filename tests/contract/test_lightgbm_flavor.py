"""The flavour of LightGBM keeps the contract."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lightgbm
import mlflow
import numpy as np
import onnxruntime
import pandas as pd
import pytest
import yaml
from tests.contract.flavors import FlavorMatrix

from reticent.errors import ReticentError
from reticent.models import load_model
from reticent.records import Withheld
from reticent.testing import ModelCase
from reticent_integrations.lightgbm.flavor import flavor

ROWS = np.random.default_rng(0).normal(size=(300, 4))
FRAME = pd.DataFrame(ROWS, columns=list("abcd"))
CLASSES = (ROWS.sum(axis=1) > 0).astype(int)
QUIET: dict[str, Any] = {"verbose": -1, "num_threads": 1}


def squared(labels: Any, predictions: Any) -> Any:
    return predictions - labels, np.ones_like(predictions)


class Mine(lightgbm.LGBMRegressor):
    """A user's own."""


class TestLightGBMFlavor(FlavorMatrix):
    flavor = flavor
    module = "lightgbm"
    kinds = (
        "booster",
        "stopped booster",
        "classifier",
        "labels",
        "categories",
        "regressor",
        "ranker",
        "subclass",
        "own objective",
    )
    unknown_to_mlflow = ("categories",)  # it knows them, but has no signature that takes them

    def case(self, kind: str) -> ModelCase:
        data = lightgbm.Dataset(FRAME, CLASSES)
        valid = [(FRAME[:50], 1 - CLASSES[:50])]
        example: Any = FRAME.head()
        if kind == "booster":
            model: Any = lightgbm.train(QUIET, data, 3)
        elif kind == "stopped booster":
            callbacks = [lightgbm.early_stopping(2, verbose=False)]
            held_out = data.create_valid(FRAME[:50], 1 - CLASSES[:50])
            model = lightgbm.train({**QUIET, "metric": "l2"}, data, 20, valid_sets=[held_out], callbacks=callbacks)
        elif kind == "classifier":
            stop = lightgbm.early_stopping(2, verbose=False)
            model = lightgbm.LGBMClassifier(n_estimators=20, class_weight={0: 1, 1: 3}, **QUIET)
            model.fit(FRAME, CLASSES, eval_set=valid, callbacks=[stop])
        elif kind == "labels":
            model = lightgbm.LGBMClassifier(n_estimators=3, **QUIET)
            model.fit(ROWS, np.array(["no", "maybe", "yes"])[CLASSES + (ROWS[:, 0] > 0)])
            example = ROWS[:5]
        elif kind == "categories":
            frame = FRAME.assign(a=pd.Categorical(np.where(ROWS[:, 0] > 0, "up", "down")))
            model, example = lightgbm.LGBMRegressor(n_estimators=3, **QUIET).fit(frame, ROWS[:, 0]), frame.head()
        elif kind == "ranker":
            model = lightgbm.LGBMRanker(n_estimators=3, **QUIET).fit(FRAME, CLASSES, group=[30] * 10)
        elif kind == "own objective":
            model = lightgbm.LGBMRegressor(n_estimators=3, objective=squared, **QUIET).fit(FRAME, ROWS[:, 0])
            return ModelCase(model, example, safe=False)
        else:
            made = Mine if kind == "subclass" else lightgbm.LGBMRegressor
            model = made(n_estimators=3, **QUIET).fit(FRAME, ROWS[:, 0])
        return ModelCase(model, example)

    def plant(self, model: Any, secret: str) -> bool:
        booster = model if isinstance(model, lightgbm.Booster) else model.booster_
        booster.pandas_categorical = [[secret]]
        return True

    def change(self, model: Any) -> bool:
        booster = model if isinstance(model, lightgbm.Booster) else model.booster_
        for tree in range(booster.num_trees()):
            for leaf in range(booster.dump_model()["tree_info"][tree]["num_leaves"]):
                booster.set_leaf_output(tree, leaf, 100.0 * (-1) ** leaf)
        return True

    def mlflow_saves(self, model: Any, kind: str, path: str) -> None:
        skops = kind in ("classifier", "labels", "categories", "regressor", "ranker")
        kinds = {"serialization_format": "skops" if skops else "cloudpickle"}
        mlflow.lightgbm.save_model(model, path, pip_requirements=["lightgbm"], skops_trusted_types=TYPES, **kinds)


TYPES = ["collections.defaultdict", "lightgbm.sklearn.LGBMRanker"]


def saved(place: Path, kind: str = "classifier") -> tuple[Any, Path]:
    model = TestLightGBMFlavor().case(kind).model
    return model, TestLightGBMFlavor().publish(place, model).directory


def unchecked(tmp_path: Path) -> Path:
    """A classifier's directory that lists no checksums, as someone else may have made it."""
    _, directory = saved(tmp_path / "runs" / "a")
    content = yaml.safe_load((directory / "MLmodel").read_text())
    del content["metadata"]
    (directory / "MLmodel").write_text(yaml.safe_dump(content))
    return directory


def test_an_estimator_is_again_what_it_was(tmp_path: Path) -> None:
    model, directory = saved(tmp_path / "runs" / "a")
    loaded = load_model(directory)
    assert type(loaded) is lightgbm.LGBMClassifier
    assert loaded.get_params() == model.get_params()
    for name in ("best_iteration_", "best_score_", "evals_result_", "n_features_in_", "objective_", "n_classes_"):
        assert getattr(loaded, name) == getattr(model, name), name
    assert loaded.classes_.dtype == model.classes_.dtype
    assert list(loaded.feature_names_in_) == list("abcd")
    assert np.array_equal(loaded.predict_proba(FRAME), model.predict_proba(FRAME))
    assert loaded.booster_.num_trees() == model.booster_.num_trees()
    loaded.fit(FRAME, CLASSES)


def test_ours_never_opens_what_is_there_for_mlflow(tmp_path: Path) -> None:
    directory = unchecked(tmp_path)
    config = yaml.safe_load((directory / "MLmodel").read_text())["flavors"]["lightgbm"]
    assert config["mlflow_only"] == ["model.skops"]
    (directory / "model.skops").write_bytes(b"broken")
    load_model(directory)


def test_a_skops_file_with_other_types_asks_for_trust(tmp_path: Path) -> None:
    model = TestLightGBMFlavor().case("regressor").model
    model.note_ = Mine()
    types = [f"{Mine.__module__}.Mine"]
    mlflow.lightgbm.save_model(
        model, tmp_path / "m", pip_requirements=[], skops_trusted_types=types, serialization_format="skops"
    )
    with pytest.raises(ReticentError, match=r"would import .*Mine"):
        load_model(tmp_path / "m")


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"kind": "os.system"}, "not an estimator of LightGBM: 'os.system'"),
        ({"kind": "LGBMDeprecationWarning"}, "not an estimator of LightGBM"),
        ({"params": {"__class__": "x"}}, "not a param"),
        ({"params": {"predict": "x"}}, "not a param"),
        ({"params": {"a\nb": 1}}, "not a param"),
        ({"params": {"num_leaves": {"dtype": "U1000000000", "values": [""]}}}, "is not understood"),
        ({"fitted": {"_classes": {"of": 1}}}, "is not understood"),
        ({"fitted": []}, "ValidationError"),
        ({"more": 1}, "ValidationError"),
        ({"fitted": {"_evals_result": "x" * (64 << 20)}}, "more than 64 MB"),
    ],
)
def test_a_strange_description_is_refused(tmp_path: Path, changed: dict[str, Any], error: str) -> None:
    directory = unchecked(tmp_path)
    described = json.loads((directory / "estimator.json").read_text())
    load_model(directory)
    (directory / "estimator.json").write_text(json.dumps({**described, **changed}))
    with pytest.raises(ReticentError, match=f"cannot be loaded as lightgbm.*{error}"):
        load_model(directory)


@pytest.mark.parametrize("kind", ["booster", "stopped booster", "classifier", "labels", "regressor", "ranker"])
def test_it_is_converted_to_onnx(kind: str) -> None:
    case = TestLightGBMFlavor().case(kind)
    assert flavor.to_onnx is not None
    session = onnxruntime.InferenceSession(flavor.to_onnx(case.model, case.example))
    outputs = session.run(None, {"input": ROWS.astype(np.float32)})
    assert len(outputs) == 1
    if isinstance(case.model, lightgbm.LGBMClassifier):
        assert list(outputs[0]) == list(case.model.predict(FRAME))
    else:
        assert np.allclose(outputs[0].ravel(), case.model.predict(FRAME), atol=1e-4)


def test_what_cannot_be_converted_says_with_which_versions() -> None:
    case = TestLightGBMFlavor().case("own objective")
    assert flavor.to_onnx is not None
    with pytest.raises(RuntimeError, match=r"cannot convert this LGBMRegressor .* onnxmltools \d.*, lightgbm \d"):
        flavor.to_onnx(case.model, case.example)


def test_the_numbers_of_many_trees_are_no_secrets(tmp_path: Path) -> None:
    """Rows of counts, as 2590 2410 1463 1230, have the form of a card's number, and one in ten its checksum."""
    rows = np.random.default_rng(0).normal(size=(5000, 20))
    target = (rows[:, 0] + np.random.default_rng(1).normal(size=5000) > 0).astype(int)
    model = lightgbm.LGBMRegressor(n_estimators=200, **QUIET).fit(rows, target)
    contract = TestLightGBMFlavor()
    published = contract.publish(tmp_path / "runs" / "a", model)
    assert not [record for record in published.records if isinstance(record, Withheld)]
    assert np.array_equal(load_model(published.directory).predict(rows), model.predict(rows))
