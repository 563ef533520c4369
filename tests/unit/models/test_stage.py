"""Staging, flavours and requirements."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import xgboost
import yaml
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from reticent.models import Flavor, find, flavor, register, stage
from reticent.models.requirements import modules, requirements


def description(run: Any, token: str) -> dict[str, Any]:
    return json.loads((run.path / "staging" / token / "reticent-model.json").read_text())


def test_a_model_without_a_flavor_is_a_type_error_that_names_its_type(run):
    with pytest.raises(TypeError, match=r"test_stage\.Odd"):
        stage(run.path, Odd())
    assert not (run.path / "staging").exists()


def test_a_save_that_fails_leaves_nothing(run):
    def save(model: Any, directory: Path) -> dict[str, Any]:
        (directory / "half").write_text("of it")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        stage(run.path, Odd(), flavor=Flavor("odd", lambda model: True, save, lambda path, config: None))
    assert list((run.path / "staging").iterdir()) == []


def test_the_snapshot_is_of_the_model_as_it_was(run, data):
    import pickle

    model = LogisticRegression().fit(*data)
    token = stage(run.path, model).token
    model.coef_[:] = 0
    kept = pickle.loads((run.path / "staging" / token / "model/model.pkl").read_bytes())
    assert kept.coef_.any()
    assert (run.path / "staging" / token).stat().st_mode & 0o777 == 0o700
    assert (run.path / "staging" / token / "reticent-model.json").stat().st_mode & 0o777 == 0o600


def test_the_specific_flavor_wins(data):
    assert find(xgboost.XGBClassifier()).name == "xgboost"
    assert find(make_pipeline(StandardScaler(), xgboost.XGBClassifier())).name == "sklearn"
    assert find(Odd()) is None


def test_a_lambda_is_pickled_by_value(run, data):
    model = make_pipeline(FunctionTransformer(lambda X: X * 2), LogisticRegression()).fit(*data)
    described = description(run, stage(run.path, model).token)
    assert described["flavors"]["sklearn"]["serialization_format"] == "cloudpickle"
    run.log(model)
    needed = (run.path / "artifacts/model/requirements.txt").read_text().split()
    assert f"cloudpickle=={metadata.version('cloudpickle')}" in needed


def test_a_flavor_comes_from_the_entry_point_named_like_the_framework(monkeypatch):
    loads = []
    own = Flavor("mine", lambda model: isinstance(model, Odd), lambda model, path: {}, lambda path, config: None)

    class Point:
        def load(self) -> Any:
            loads.append(1)
            return own

    monkeypatch.setattr(flavor, "_points", lambda: {Odd.__module__.partition(".")[0]: Point(), "other": None})
    assert find(Odd()) is own
    assert find(Odd()) is own
    assert loads == [1]
    assert flavor.named(["mine", "python_function"]) is own


def test_a_flavor_is_found_by_name_although_its_entry_point_has_another(monkeypatch):
    own = Flavor("pytorch", lambda model: False, lambda model, path: {}, lambda path, config: None)

    class Point:
        def load(self) -> Any:
            return own

    class Other:
        def load(self) -> Any:
            return Flavor("other", lambda model: False, lambda model, path: {}, lambda path, config: None)

    monkeypatch.setattr(flavor, "_points", lambda: {"other": Other(), "torch": Point()})
    assert flavor.named(["pytorch"]) is own
    assert flavor.named(["unknown"]) is None


def test_the_newer_of_two_flavors_with_one_name_holds():
    other = Flavor("sklearn", lambda model: isinstance(model, LogisticRegression), lambda m, p: {}, lambda p, c: None)
    register(other)
    assert find(LogisticRegression()) is other


def test_requirements_name_the_distribution_that_is_installed():
    needed = requirements(modules(make_pipeline(StandardScaler(), xgboost.XGBClassifier())))
    versions = dict(line.split("==") for line in needed)
    assert {"scikit-learn", "numpy", "scipy"} <= versions.keys()
    assert [version for name, version in versions.items() if name.startswith("xgboost")] == [xgboost.__version__]
    assert versions == {name: metadata.version(name) for name in versions}


def test_a_distribution_may_have_another_name_than_its_module():
    assert [line.lower() for line in requirements({"yaml": yaml.__version__})] == [f"pyyaml=={yaml.__version__}"]


def test_the_version_is_the_one_of_the_training():
    assert requirements({"not_installed_here": "1.2", "numpy": "0.1"}) == ["not_installed_here==1.2", "numpy==0.1"]


def test_user_modules_are_no_requirements():
    found = modules(Odd())
    assert "numpy" in found
    assert not {"tests", "test_stage", "builtins", "__main__"} & found.keys()


class Odd:
    pass


def test_the_example_may_come_from_a_loader(run):
    import torch

    rows = torch.arange(24.0).reshape(12, 2)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(rows, rows[:, 0]), batch_size=8, shuffle=True)
    torch.manual_seed(0)
    batches = [inputs.tolist() for inputs, _ in loader]
    torch.manual_seed(0)
    described = description(run, stage(run.path, LogisticRegression(), input_example=loader).token)
    assert [inputs.tolist() for inputs, _ in loader] == batches
    assert described["example"]["data"] == rows[:5].tolist()
    assert json.loads(described["signature"]["inputs"])[0]["tensor-spec"] == {"dtype": "float32", "shape": [-1, 2]}


def test_an_iterator_is_not_read_for_an_example(run):
    batches = iter([[1.0, 2.0]])
    described = description(run, stage(run.path, LogisticRegression(), input_example=batches).token)
    assert (described["example"], described["signature"], list(batches)) == (None, None, [[1.0, 2.0]])
