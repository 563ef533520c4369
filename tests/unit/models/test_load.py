"""Loading: only what was published, only what is trusted."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
import xgboost
from sklearn.linear_model import LogisticRegression

import reticent
from reticent import settings
from reticent.errors import ReticentError
from reticent.models import load_model


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
