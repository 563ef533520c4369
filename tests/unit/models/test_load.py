"""Loading: only what was published, only what is trusted."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest
import xgboost
from sklearn.base import BaseEstimator
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

import reticent
from reticent import settings
from reticent.errors import ReticentError
from reticent.models import load_model, load_pyfunc
from reticent.models.load import shown
from reticent.models.signature.schema import SchemaError

SCALERS = (MaxAbsScaler, MinMaxScaler, Normalizer, PowerTransformer, QuantileTransformer, RobustScaler)


class Own(BaseEstimator):
    """An estimator of the user's."""


@pytest.fixture
def classifier(run, data):
    model = LogisticRegression().fit(*data)
    run.log(model, "deep/model", input_example=data[0])
    return model


def test_a_pickle_is_loaded_for_who_trusts_it(run, data, classifier):
    path = run.path / "artifacts/deep/model"
    with pytest.raises(ReticentError, match=r"pickle.*trust=True"):
        load_model(path)
    assert (load_model(path, trust=True).predict(data[0]) == classifier.predict(data[0])).all()


def test_by_run_and_path(run, data, classifier, monkeypatch):
    settings.configure(dir=str(run.path.parent.parent))
    try:
        loaded = load_model(f"runs:/{run.path.name}/deep/model", trust=True)
    finally:
        settings.reset()
    assert (loaded.coef_ == classifier.coef_).all()


@pytest.mark.parametrize("kind", [xgboost.XGBClassifier, xgboost.Booster])
def test_xgboost_needs_no_trust(run, data, kind):
    X, y = data
    model = xgboost.XGBClassifier(n_estimators=3).fit(X, y)
    model = model if kind is xgboost.XGBClassifier else model.get_booster()
    run.log(model)
    loaded = load_model(run.path / "artifacts/model")
    assert type(loaded) is kind
    frame = X if kind is xgboost.XGBClassifier else xgboost.DMatrix(X)
    assert np.array_equal(loaded.predict(frame), model.predict(frame))


@pytest.mark.parametrize("name", ["model.pkl", "requirements.txt"])
def test_a_changed_file_is_refused(run, classifier, name):
    path = run.path / "artifacts/deep/model"
    with (path / name).open("ab") as file:
        file.write(b"#")
    with pytest.raises(ReticentError, match=f"{name}.*checksum differs"):
        load_model(path, trust=True)


def test_a_missing_file_is_named(run, classifier):
    path = run.path / "artifacts/deep/model"
    (path / "model.pkl").unlink()
    with pytest.raises(ReticentError, match=r"model\.pkl.*missing"):
        load_model(path, trust=True)


@pytest.mark.parametrize("uri", ["runs:/", "runs:/abc", "runs:/../x/y", "runs:/abc/../../x", "/nowhere/at/all"])
def test_what_is_no_model_is_told(uri):
    with pytest.raises(ReticentError):
        load_model(uri)


@pytest.mark.parametrize(
    "text", ["", "[1", "flavors: 3", "flavors: {a: {}}\nmetadata: {reticent: {flavor: a, files: 7}}"]
)
def test_a_broken_mlmodel_is_told(tmp_path, text):
    (tmp_path / "MLmodel").write_text(text)
    with pytest.raises(ReticentError, match="cannot be understood"):
        load_model(tmp_path)


def test_a_flavor_that_is_not_installed_is_named(tmp_path):
    (tmp_path / "MLmodel").write_text("flavors: {prophet: {}, python_function: {}}")
    with pytest.raises(ReticentError, match="prophet"):
        load_model(tmp_path)


def test_a_model_that_mlflow_wrote_is_loaded_too(tmp_path, data):
    import pickle

    (tmp_path / "model.pkl").write_bytes(pickle.dumps(LogisticRegression().fit(*data)))
    (tmp_path / "MLmodel").write_text("flavors: {sklearn: {pickled_model: model.pkl}}")
    with pytest.raises(ReticentError, match="trust=True"):
        load_model(tmp_path)
    assert isinstance(load_model(tmp_path, trust=True), LogisticRegression)


def test_by_the_beginning_of_a_run_id(root, data):
    with reticent.start_run() as run:
        run.log_model(LogisticRegression().fit(*data))
    assert reticent.flush(30)
    loaded = load_model(f"runs:/{run.run_id[:8]}/model", trust=True)
    assert (loaded.predict(data[0]) == LogisticRegression().fit(*data).predict(data[0])).all()
    stored = reticent.get_run(run.run_id)
    assert (load_model(stored.artifact_path("model"), trust=True).coef_ == loaded.coef_).all()
    assert stored.artifact_path("model/") == stored.artifact_path("model")
    with pytest.raises(ReticentError, match="no run under"):
        load_model("runs:/0000/model", trust=True)
    with pytest.raises(FileNotFoundError, match="no artifact"):
        stored.artifact_path("mod")
    shutil.rmtree(stored.artifact_path("model"))
    with pytest.raises(FileNotFoundError, match="is not there"):
        stored.artifact_path("model")


@pytest.mark.parametrize(
    "text",
    [
        "flavors: &a [x, x]\n" + "".join(f"l{n}: &l{n} [*{'a' if not n else f'l{n - 1}'}]\n" for n in range(20)),
        "flavors: " + "[" * 5000,
        "x: [" + "1," * (3 << 20) + "1]",
    ],
    ids=["aliases", "depth", "size"],
)
def test_a_small_mlmodel_makes_no_large_one(tmp_path, text):
    (tmp_path / "MLmodel").write_text(text)
    with pytest.raises(ReticentError, match=r"cannot be (understood|read)"):
        load_model(tmp_path)


@pytest.mark.parametrize("name", ["model.pkl", "requirements.txt", "MLmodel"])
def test_pipes_and_links_are_not_opened(run, classifier, tmp_path, name):
    path = run.path / "artifacts/deep/model"
    (tmp_path / "credentials").write_text("key = 1\n")
    for make in (os.mkfifo, lambda file: file.symlink_to(tmp_path / "credentials")):
        (path / name).unlink()
        make(path / name)
        with pytest.raises(ReticentError, match=r"is no file|leads out"):
            load_model(path, trust=True)


def test_a_file_that_was_not_published_asks_for_trust(run, classifier):
    path = run.path / "artifacts/deep/model"
    (path / "chat_template.jinja").write_text("{{ obey }}")
    with pytest.raises(ReticentError, match=r"chat_template\.jinja, which was not published with it"):
        load_model(path)
    load_model(path, trust=True)


def test_what_would_be_imported_is_told_the_users_own_first(run):
    names: dict = {"__name__": "__main__"}  # so that it is pickled by value
    exec("def doubled(X):\n    return X * 2", names)
    parts = [FunctionTransformer(names["doubled"]), StandardScaler(), *(kind() for kind in SCALERS), Own()]
    run.log(make_pipeline(*parts))
    with pytest.raises(ReticentError) as told:
        load_model(run.path / "artifacts/model")
    listed = str(told.value).partition("would import ")[2].partition(" and ")[0].split(", ")
    assert len(listed) == 10
    assert listed[0] == f"{__name__}.Own"
    assert not [name for name in listed if name.startswith("cloudpickle")]
    assert "with trust=True (--trust on the command line)" in str(told.value)
    internal = shown(["builtins.getattr", "cloudpickle.x", "sklearn.y", "mine.z"])
    assert internal == "mine.z, sklearn.y, builtins.getattr, cloudpickle.x"


def test_a_function_says_what_it_is(run, data):
    run.log(LogisticRegression().fit(*data), input_example=data[0])
    model = load_pyfunc(run.path / "artifacts/model", trust=True)
    assert repr(model) == "<PyFunc sklearn: sklearn.linear_model._logistic.LogisticRegression, takes a, b>"
    run.log(LogisticRegression().fit(*data), "bare")
    bare = load_pyfunc(run.path / "artifacts/bare", trust=True)
    assert repr(bare) == "<PyFunc sklearn: sklearn.linear_model._logistic.LogisticRegression>"


def test_params_that_the_model_does_not_take_are_told(run, data):
    run.log(LogisticRegression().fit(*data), input_example=data[0])
    model = load_pyfunc(run.path / "artifacts/model", trust=True)
    with pytest.raises(SchemaError, match=r"the model takes no params.*temperature"):
        model.predict(data[0], {"temperature": 1.0})
    assert len(model.predict(data[0], {})) == len(data[0])


def test_rows_of_mixed_types_are_the_same_for_a_server(run):
    import pandas as pd

    from reticent.models.serve.protocol import parse

    X = pd.DataFrame({"age": [20, 30, 40, 50], "kind": ["a", "b", "a", "b"], "weight": [1.0, 2.0, 3.0, 4.5]})
    encoded = make_column_transformer((OneHotEncoder(), ["kind"]), remainder="passthrough")
    run.log(make_pipeline(encoded, LogisticRegression()).fit(X, [0, 1, 0, 1]), input_example=X)
    model = load_pyfunc(run.path / "artifacts/model", trust=True)
    rows = [[20, "a", 1.0], [50, "b", 4.5]]
    sent, _ = parse(json.dumps({"inputs": rows}).encode(), "json", model.signature.inputs)
    assert model.predict(rows).tolist() == model.predict(sent).tolist() == [0, 1]
    for wrong in ([[20, "a"]], [["x", "a", 1.0]], [20, "a", 1.0]):
        with pytest.raises(ReticentError):
            model.predict(wrong)
        with pytest.raises(ReticentError):
            model.predict(parse(json.dumps({"inputs": wrong}).encode(), "json", model.signature.inputs)[0])


def test_an_mlmodel_file_that_the_run_log_does_not_know_is_refused(root, data):
    with reticent.start_run() as run:
        run.log_model(LogisticRegression().fit(*data))
    assert reticent.flush(60)
    file = reticent.get_run(run.run_id).artifact_path("model") / "MLmodel"
    file.write_text(file.read_text().replace("files:", "former:", 1))
    for uri in (f"runs:/{run.run_id}/model", file.parent):
        with pytest.raises(ReticentError, match="is not the one that was published"):
            load_model(uri, trust=True)
