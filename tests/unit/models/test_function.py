"""The user's own modules, which a model needs and no package has."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
import yaml
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from tests.unit.models.conftest import SECRET, RunDirectory

from reticent.errors import ReticentError
from reticent.models import Flavor, code, load_model, load_pyfunc, register, stage
from reticent.models import finish as finishing
from reticent.models.function import flavor as FUNCTION
from reticent.models.missing import advice

MODULE = """
from sklearn.base import BaseEstimator, TransformerMixin
from mine.numbers.factor import FACTOR


class Doubled(BaseEstimator, TransformerMixin):
    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X * FACTOR


def doubled(rows):
    return rows * FACTOR
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package of the user's own, which this process can import."""
    package = tmp_path / "own" / "mine"
    (package / "numbers").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "steps.py").write_text(MODULE)
    (package / "numbers/__init__.py").write_text("")
    (package / "numbers/factor.py").write_text("FACTOR = 2\n")
    (package / "numbers/words.txt").write_text("two")
    monkeypatch.setattr(sys, "path", [str(package.parent), *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    importlib.invalidate_caches()
    yield package
    forget()


def forget() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "mine"]:
        del sys.modules[name]


def gone(package: Path) -> None:
    """As on another machine: the package is not there."""
    forget()
    sys.path.remove(str(package.parent))


def files(directory: Path) -> set[str]:
    return {path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file()}


def logged(run: RunDirectory, model: Any, **options: Any) -> Path:
    run.log(model, **options)
    return run.path / "artifacts/model"


def of_kind(kind: str, data: Any) -> tuple[Any, Any]:
    from mine import steps

    if kind == "function":
        register(FUNCTION)
        return steps.doubled, steps.doubled(data[0])
    model = make_pipeline(steps.Doubled(), LogisticRegression()).fit(*data)
    return model, model.predict(data[0])


@pytest.mark.parametrize("kind", ["function", "sklearn"])
def test_a_model_brings_its_modules(run: RunDirectory, data: Any, mine: Path, kind: str) -> None:
    model, outputs = of_kind(kind, data)
    path = logged(run, model, code_paths=[mine])
    published = files(path)
    assert {"code/mine/steps.py", "code/mine/numbers/factor.py", "code/mine/numbers/words.txt"} <= published
    gone(mine)
    with pytest.raises(ReticentError, match=r"code in code/.*trust=True"):
        load_model(path)
    assert np.array_equal(load_pyfunc(path, trust=True).predict(data[0]), outputs)
    assert str(mine) not in sys.modules["mine"].__path__
    assert files(path) == published, "loading writes nothing into a model"


@pytest.mark.parametrize("kind", ["function", "sklearn"])
def test_mlflow_finds_the_modules(run: RunDirectory, data: Any, mine: Path, kind: str) -> None:
    model, outputs = of_kind(kind, data)
    path = logged(run, model, code_paths=[mine])
    gone(mine)
    assert np.array_equal(mlflow.pyfunc.load_model(str(path)).predict(data[0]), outputs)
    if kind == "sklearn":
        forget()
        sys.path[:] = [place for place in sys.path if not place.startswith(str(path))]
        assert np.array_equal(mlflow.sklearn.load_model(str(path)).predict(data[0]), outputs)


def finish(saved: Path, finished: Path, flavors: dict[str, Any]) -> dict[str, Any]:
    (finished / "better").write_text((saved / "raw").read_text())
    return {"odd": {"data": "better"}, "python_function": {"loader_module": "odd", "data": "better"}}


def test_a_model_that_is_finished_keeps_its_modules(run: RunDirectory, mine: Path) -> None:
    def save(model: Any, directory: Path) -> dict[str, Any]:
        (directory / "raw").write_text(model)
        return {"odd": {"data": "raw"}}

    odd = Flavor(
        "odd", lambda model: True, save, lambda path, config: (path / config["data"]).read_text(), finish=finish
    )
    register(odd)
    snapshot = stage(run.path, "a model", flavor=odd, code_paths=[mine / "steps.py"])
    finishing._finish(finish, run.path / "staging" / snapshot.token)
    run.publish(run.staged(snapshot.token))
    path = run.path / "artifacts/model"
    assert {"better", "code/steps.py"} <= files(path)
    described = yaml.safe_load((path / "MLmodel").read_text())
    assert {name: config["code"] for name, config in described["flavors"].items()} == {
        "odd": "code",
        "python_function": "code",
    }
    assert described["metadata"]["reticent"]["imports"] == ["code in code/"]
    with pytest.raises(ReticentError, match="code in code/"):
        load_model(path)
    assert load_model(path, trust=True) == "a model"


def test_only_code_is_taken(tmp_path: Path, mine: Path) -> None:
    root = mine.parent
    for name in (
        "notes.txt",
        ".env",
        "mine/.env",
        "mine/numbers/__pycache__/factor.pyc",
        "mine/old.pyc",
        "scripts/a.py",
    ):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("x")
    (tmp_path / "elsewhere.py").write_text("x")
    (tmp_path / "places").mkdir()
    (tmp_path / "places/b.py").write_text("x")
    os.symlink(tmp_path / "elsewhere.py", mine / "elsewhere.py")
    os.symlink(tmp_path / "places", mine / "places")
    os.symlink(mine / "steps.py", mine / "also.py")
    code.copy([root], tmp_path / "model")
    package = {"__init__.py", "steps.py", "also.py", *(f"numbers/{name}.py" for name in ("__init__", "factor"))}
    expected = {f"mine/{name}" for name in package} | {"mine/numbers/words.txt", "scripts/a.py"}
    assert files(tmp_path / "model/code/own") == expected


def test_a_secret_in_a_module_is_hidden(run: RunDirectory, mine: Path, data: Any) -> None:
    (mine / "numbers/keys.py").write_text(f"KEY = {SECRET!r}\n")
    path = logged(run, LogisticRegression().fit(*data), code_paths=[mine])
    assert (path / "code/mine/numbers/keys.py").exists()
    assert not any(SECRET.encode() in file.read_bytes() for file in path.rglob("*") if file.is_file())


def test_what_is_no_code_path_is_told(
    run: RunDirectory, mine: Path, data: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = LogisticRegression().fit(*data)
    with pytest.raises(TypeError, match="list of paths"):
        stage(run.path, model, code_paths=str(mine))
    with pytest.raises(ValueError, match=r"no Python code at.*nowhere"):
        stage(run.path, model, code_paths=[mine, tmp_path / "nowhere"])
    with pytest.raises(ValueError, match=r"two files mine/__init__\.py"):
        stage(run.path, model, code_paths=[mine, mine])
    monkeypatch.setattr(code, "MAX_MB", 0)
    with pytest.raises(ValueError, match="more than 0 MB"):
        stage(run.path, model, code_paths=[mine])
    assert list((run.path / "staging").iterdir()) == []


def test_code_leads_out_of_no_directory(tmp_path: Path, data: Any) -> None:
    import pickle

    model = tmp_path / "model"
    model.mkdir()
    (tmp_path / "outside").mkdir()
    (model / "model.pkl").write_bytes(pickle.dumps(LogisticRegression().fit(*data)))
    (model / "MLmodel").write_text("flavors: {sklearn: {pickled_model: model.pkl, code: ../outside}}")
    with pytest.raises(ReticentError, match="inside"):
        load_model(model, trust=True)
    assert str(tmp_path / "outside") not in sys.path


def test_a_module_of_the_users_own_that_is_missing_is_told_from_a_requirement(
    run: RunDirectory, data: Any, mine: Path
) -> None:
    path = logged(run, of_kind("sklearn", data)[0])
    gone(mine)
    with pytest.raises(ReticentError, match=r"mine is a module of the one who logged .*code_paths=\[\.\.\.\]") as found:
        load_model(path, trust=True)
    assert "install" not in str(found.value)
    sys.path.insert(0, str(mine.parent))
    assert np.array_equal(load_pyfunc(path, trust=True).predict(data[0]), load_model(path, trust=True).predict(data[0]))


@pytest.mark.parametrize(
    ("listed", "installs", "brings"),
    [
        ([], False, True),
        (["numpy==1.0"], False, True),
        (["absent-distribution==1.0", "numpy==1.0"], True, True),
        (["absent-thing==1.0"], True, False),
        (["absent.thing-cpu==1.0 ; python_version > '3'"], True, False),
        (["-r more.txt"], True, True),
    ],
)
def test_what_helps_against_a_missing_module(listed: list[str], installs: bool, brings: bool) -> None:
    told = advice(ModuleNotFoundError("No module named 'absent_thing.part'", name="absent_thing.part"), listed)
    assert ("install what its requirements.txt lists" in told) is installs
    assert ("absent_thing is a module of the one who logged the model" in told) is brings
    assert told.startswith("absent_thing.part, ")


def test_a_part_of_a_package_that_is_here_is_of_another_version() -> None:
    told = advice(ModuleNotFoundError("No module named 'numpy.nowhere'", name="numpy.nowhere"), ["pandas==1.0"])
    assert told == "numpy.nowhere, which is not installed here; install what its requirements.txt lists: pandas==1.0"
