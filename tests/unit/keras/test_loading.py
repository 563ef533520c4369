"""What loading a model of Keras runs, and that saving one leaves it as it is."""

from __future__ import annotations

import json
import pickle
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import mlflow.keras
import mlflow.tensorflow
import numpy as np
import pandas as pd
import pytest
import yaml
from tests.unit.keras.layers import Regressor

from reticent.errors import ReticentError
from reticent.models import load_model, load_pyfunc
from reticent.models.load import opened
from reticent_integrations.keras.flavor import flavor

ROWS = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")


def _model() -> Any:
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dense(1)])


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A model as another program may have written it: nothing says which files it should have."""
    (tmp_path / "data").mkdir()
    flavors = {"keras": {"data": "data"}}
    (tmp_path / "MLmodel").write_text(yaml.safe_dump({"flavors": flavors}))
    return tmp_path


def _written(place: Path, model: Any, change: Any = lambda config: None) -> None:
    model.save(place / "whole.keras")
    with zipfile.ZipFile(place / "whole.keras") as whole:
        config = json.loads(whole.read("config.json"))
        change(config)
        with zipfile.ZipFile(place / "data" / "model.keras", "w") as packed:
            packed.writestr("config.json", json.dumps(config))
            for name in set(whole.namelist()) - {"config.json"}:
                packed.writestr(name, whole.read(name))


def test_saving_leaves_the_model_as_it_is(tmp_path: Path) -> None:
    model = _model()
    model.compile("adam", "mse")
    model.fit(ROWS, ROWS[:, :1], verbose=0)
    model.layers[0].trainable = False
    random = np.random.get_state()[1].tolist()
    weights, variables = model.get_weights(), [np.array(one) for one in model.optimizer.variables]
    attributes = set(vars(model))
    flavor.save(model, tmp_path)
    assert all(map(np.array_equal, weights, model.get_weights()))
    assert all(map(np.array_equal, variables, map(np.array, model.optimizer.variables)))
    assert [layer.trainable for layer in model.layers] == [False, True]
    assert model.compiled
    assert set(vars(model)) == attributes
    assert np.random.get_state()[1].tolist() == random


def test_the_optimizer_goes_on_where_it_was(place: Path) -> None:
    model = _model()
    model.compile("adam", "mse")
    model.fit(ROWS, ROWS[:, :1], verbose=0)
    _written(place, model)
    loaded = load_model(place)
    assert all(map(np.allclose, map(np.array, model.optimizer.variables), map(np.array, loaded.optimizer.variables)))


def test_a_module_that_a_file_names_is_imported_only_for_those_who_trust_it(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "planted.py").write_text("import keras\nclass Dense(keras.layers.Dense):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)

    def change(config: dict[str, Any]) -> None:
        config["config"]["layers"][1].update(module="planted", registered_name="Dense")

    _written(place, _model(), change)
    with pytest.raises(ReticentError, match=r"would import planted\.Dense;.*trust=True"):
        load_model(place)
    assert "planted" not in sys.modules
    assert type(load_model(place, trust=True).layers[0]).__module__ == "planted"
    del sys.modules["planted"]


def test_a_lambda_runs_only_for_those_who_trust_it(place: Path) -> None:
    doubled = keras.layers.Lambda(lambda rows: rows * 2)
    _written(place, keras.Sequential([keras.Input((4,)), doubled]))
    with pytest.raises(ReticentError, match="the code of a lambda"):
        load_pyfunc(place)
    assert np.allclose(load_pyfunc(place, trust=True).predict(ROWS), ROWS * 2)


def test_a_loss_that_is_found_nowhere_is_not_needed_to_predict(place: Path) -> None:
    def own(true: Any, predicted: Any) -> Any:
        return keras.ops.mean(true - predicted)

    model = _model()
    model.compile("adam", own)
    _written(place, model)
    with pytest.raises(ReticentError, match=r"would import \?\.own;"):
        load_model(place)
    loaded = load_model(place, trust=True)
    assert not loaded.compiled
    assert np.allclose(loaded.predict(ROWS, verbose=0), model.predict(ROWS, verbose=0))


def test_a_layer_that_is_found_nowhere_is_named(place: Path) -> None:
    def change(config: dict[str, Any]) -> None:
        config["config"]["layers"][1].update(module="__main__", class_name="Vanished", registered_name="Vanished")

    _written(place, _model(), change)
    with pytest.raises(ReticentError, match=r"__main__\.Vanished, which the model is made of, is not found"):
        load_model(place, trust=True)


def test_losses_and_metrics_of_keras_need_no_trust(place: Path) -> None:
    model = _model()
    model.compile("adam", keras.losses.mean_squared_error, metrics=[keras.metrics.AUC(), "mae"])
    _written(place, model)
    assert load_model(place).compiled


def test_a_package_that_is_missing_is_named(place: Path) -> None:
    def change(config: dict[str, Any]) -> None:
        config["config"]["layers"][1].update(module="nowhere.layers", class_name="Own", registered_name="Own")

    _written(place, _model(), change)
    with pytest.raises(ReticentError, match=r"needs nowhere, which none of its requirements has"):
        load_model(place, trust=True)


def test_damaged_files_are_refused(place: Path) -> None:
    _written(place, _model())
    file = place / "data" / "model.keras"
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(ReticentError, match="cannot be loaded as keras: BadZipFile"):
        load_model(place)
    file.unlink()
    with pytest.raises(ReticentError, match="cannot be loaded as keras: FileNotFoundError"):
        load_model(place)


def test_the_older_hdf5_format_needs_trust(place: Path) -> None:
    model = _model()
    model.save(place / "data" / "model.h5")
    with pytest.raises(ReticentError, match="trust=True"):
        load_model(place)
    assert np.allclose(load_pyfunc(place, trust=True).predict(ROWS), model.predict(ROWS, verbose=0))


def _changed_once_judged(place: Path, change: Any, *, trust: bool) -> Any:
    """What comes of loading a model whose files somebody changes between the check and the loading."""
    given = flavor.imports
    assert given is not None

    def judging(directory: Path, config: Any) -> list[str]:
        judged = given(directory, config)
        change()
        return judged

    with opened(place) as model:
        return replace(model, flavor=replace(flavor, imports=judging)).load(trust)


def test_a_file_that_is_changed_once_it_was_judged_is_not_trusted(place: Path, tmp_path: Path) -> None:
    _written(place, _model())

    target = str(tmp_path / "planted")
    planted = eval(f"lambda rows: (__import__('pathlib').Path({target!r}).touch(), rows)[1]")
    bad = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(planted)])
    (tmp_path / "planted").unlink()  # of making it
    with pytest.raises(ReticentError, match=r"was changed while.*the code of a lambda"):
        _changed_once_judged(place, lambda: _written(place, bad), trust=False)
    assert not (tmp_path / "planted").exists()
    _written(place, bad)
    load_model(place, trust=True)
    assert (tmp_path / "planted").exists(), "the attack is none"


def test_a_file_that_gives_way_to_an_older_format_is_not_trusted(place: Path) -> None:
    _written(place, _model())

    def change() -> None:
        (place / "data" / "model.keras").unlink()
        _model().save(place / "data" / "model.h5")

    with pytest.raises(ReticentError, match=r"was changed while.*keras\.legacy"):
        _changed_once_judged(place, change, trust=False)


def test_a_pickle_that_is_put_there_later_is_not_opened(place: Path, tmp_path: Path) -> None:
    class Planted:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "planted",)

    _written(place, _model())
    pickled = place / "data" / "custom_objects.cloudpickle"
    with pytest.raises(ReticentError, match=r"was changed while"):
        _changed_once_judged(place, lambda: pickled.write_bytes(pickle.dumps(Planted())), trust=False)
    assert not (tmp_path / "planted").exists()


def test_what_is_judged_is_what_is_loaded(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files may change even while the flavour loads: it has its own copy."""
    model = _model()
    _written(place, model)
    load = keras.saving.load_model

    def late(file: Any, **options: Any) -> Any:
        for path in place.rglob("*.keras"):
            path.write_bytes(b"")
        return load(file, **options)

    monkeypatch.setattr(keras.saving, "load_model", late)
    assert np.allclose(load_model(place).predict(ROWS, verbose=0), model.predict(ROWS, verbose=0))


def test_a_link_out_of_the_model_is_not_followed(place: Path) -> None:
    _written(place, _model())
    (place / "data" / "model.keras").unlink()
    (place / "data" / "model.keras").symlink_to(place.parent / "other.keras")
    _model().save(place.parent / "other.keras")
    with pytest.raises(ReticentError, match="leads out of its directory"):
        load_model(place)


def test_what_mlflow_saved_with_classes_needs_trust(tmp_path: Path) -> None:
    model = Regressor(3)
    outputs = model.predict(ROWS, verbose=0)
    objects = {"Regressor": Regressor}
    path = tmp_path / "model"
    mlflow.tensorflow.save_model(model, str(path), custom_objects=objects, pip_requirements=["keras"])
    with pytest.raises(ReticentError, match=r"would import .*layers\.Regressor.*trust=True"):
        load_model(path)
    assert np.allclose(load_pyfunc(path, trust=True).predict(ROWS), outputs)


def test_what_mlflow_exported_is_loaded(tmp_path: Path) -> None:
    model = _model()
    signature = mlflow.models.infer_signature(ROWS, model.predict(ROWS, verbose=0))
    path = tmp_path / "model"
    mlflow.keras.save_model(model, str(path), save_exported_model=True, signature=signature, pip_requirements=["keras"])
    assert np.allclose(load_pyfunc(path).predict(ROWS), model.predict(ROWS, verbose=0), atol=1e-6)


def test_rows_come_in_any_form() -> None:
    model = _model()
    outputs = model.predict(ROWS, verbose=0)
    assert flavor.predict is not None
    for rows in (ROWS, ROWS.tolist(), pd.DataFrame(ROWS)):
        assert np.allclose(flavor.predict(model, rows, {"batch_size": 3}), outputs)


def test_several_inputs_come_in_any_form() -> None:
    inputs = [keras.Input((1,), name=name) for name in ("one", "two")]
    model = keras.Model(inputs, keras.layers.Subtract()(inputs))
    one, two = ROWS[:, :1], ROWS[:, 1:2]
    assert flavor.predict is not None
    for given in (
        {"two": two, "one": one},
        {"two": two.tolist(), "one": one.tolist()},
        [one, two],
        pd.DataFrame({"two": two[:, 0], "one": one[:, 0]}),
        pd.DataFrame({"two": list(two), "one": list(one)}),
    ):
        assert np.allclose(flavor.predict(model, given, {}), one - two)


def test_converting_to_onnx_says_what_it_needs() -> None:
    assert flavor.to_onnx is not None
    if keras.config.backend() == "torch":
        pytest.skip("PyTorch converts")
    with pytest.raises(ReticentError, match="KERAS_BACKEND=torch"):
        flavor.to_onnx(_model(), ROWS)
