"""What a SavedModel does besides computing is listed, and data of any form is given to it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import mlflow.tensorflow
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
import yaml
from google.protobuf import text_format
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from reticent.errors import ReticentError
from reticent.models import load_model, load_pyfunc
from reticent.models.load import opened
from reticent_integrations.tensorflow import graph
from reticent_integrations.tensorflow.flavor import flavor, predict
from reticent_integrations.tensorflow.graph import unsafe_operations

ROWS = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
TEXT = [tf.TensorSpec([], tf.string)]


class Reader(tf.Module):
    @tf.function(input_signature=TEXT)
    def __call__(self, path: Any) -> Any:
        return tf.io.read_file(path)


class Writer(tf.Module):
    """Writes by what TensorFlow itself saves variables by, in a function that is called like the one it does so in."""

    @tf.function(input_signature=TEXT)
    def __call__(self, path: Any) -> Any:
        @tf.function(input_signature=TEXT)
        def _traced_save(path: Any) -> Any:
            tf.raw_ops.SaveV2(prefix=path, tensor_names=["x"], shape_and_slices=[""], tensors=[path])
            return path

        return _traced_save(path)


class Caller(tf.Module):
    @tf.function(input_signature=TEXT)
    def __call__(self, path: Any) -> Any:
        return tf.py_function(lambda given: given, [path], tf.string)


class Planted(tf.saved_model.experimental.TrackableResource):
    """Does something when the model is loaded."""

    def __init__(self, does: Any) -> None:
        self.does = does
        super().__init__()

    def _create_resource(self) -> Any:
        return tf.raw_ops.MutableHashTableV2(key_dtype=tf.string, value_dtype=tf.int64)

    def _initialize(self) -> None:
        self.does()


class Planting(tf.Module):
    def __init__(self, does: Any) -> None:
        super().__init__()
        self.weight = tf.Variable(1.0)  # so that TensorFlow adds functions that save
        self.planted = Planted(does)
        self.handle = self.planted.resource_handle

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def __call__(self, rows: Any) -> Any:
        self.planted.resource_handle  # noqa: B018 - what a function refers to is saved
        return rows * self.weight


class Computing(tf.Module):
    """A bit of everything that models are made of, and none of it more than that."""

    def __init__(self) -> None:
        super().__init__()
        words = tf.lookup.KeyValueTensorInitializer(tf.constant(["a", "b"]), tf.constant([1, 2], tf.int64))
        self.words = tf.lookup.StaticHashTable(words, 0)
        self.counted = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, 0)
        self.counted.insert(tf.constant(["a"]), tf.constant([5], tf.int64))
        self.embedding = tf.Variable(tf.reshape(tf.range(12, dtype=tf.float32), [3, 4]))
        self.dense = tf.Variable(tf.ones([4, 2]))
        self.random = tf.random.Generator.from_seed(1)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, text: Any) -> Any:
        words = tf.strings.lower(tf.strings.split(text, " ").to_tensor("")[:, 0])
        rows = tf.nn.embedding_lookup(self.embedding, self.words.lookup(words))
        collected = tf.TensorArray(tf.float32, size=3)
        for step in tf.range(3):
            rows = tf.cond(tf.reduce_sum(rows) > 100, lambda rows=rows: rows / 2, lambda rows=rows: rows + 1)
            collected = collected.write(step, rows)
        rows = tf.reduce_sum(collected.stack(), axis=0) + 0 * self.random.normal([4])
        counted = tf.cast(self.counted.lookup(words), tf.float32)
        return tf.nn.softmax(rows @ self.dense) * counted[:, None]


class Difference(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name=name) for name in ("one", "two")])
    def serve(self, one: Any, two: Any) -> Any:
        return one - two


def _written(place: Path, model: Any) -> Path:
    flavors = flavor.save(model, place)
    (place / "MLmodel").write_text(yaml.safe_dump({"flavors": flavors}))
    return place


@pytest.mark.parametrize(
    ("model", "operation"),
    [(Reader, "ReadFile"), (Writer, "SaveV2"), (Caller, "EagerPyFunc")],
    ids=lambda one: str(one),
)
def test_a_graph_that_does_more_than_compute_needs_trust(tmp_path: Path, model: Any, operation: str) -> None:
    _written(tmp_path, model())
    with pytest.raises(ReticentError, match=rf"would import .*tensorflow\.{operation}.*trust=True"):
        load_model(tmp_path)
    load_model(tmp_path, trust=True)


def _written_by_loading(target: Path) -> dict[str, Any]:
    """What writes a file without the operations that are known for it."""

    def dataset() -> Any:
        lines = tf.data.Dataset.from_tensors(tf.constant("planted"))
        tf.raw_ops.DatasetToTFRecord(
            input_dataset=lines._variant_tensor, filename=str(target / "planted"), compression_type=""
        )

    def experimental() -> Any:
        lines = tf.data.Dataset.from_tensors(tf.constant("planted"))
        tf.raw_ops.ExperimentalDatasetToTFRecord(
            input_dataset=lines._variant_tensor, filename=str(target / "planted"), compression_type=""
        )

    def saver() -> Any:
        saved = tf.raw_ops.SaveV2(
            prefix=str(target / "planted"), tensor_names=["x"], shape_and_slices=[""], tensors=[tf.constant("planted")]
        )
        with tf.control_dependencies([saved]):  # what nothing waits for is left out
            tf.debugging.Assert(tf.random.uniform([]) < 2, [0])

    return {"DatasetToTFRecord": dataset, "ExperimentalDatasetToTFRecord": experimental, "SaveV2": saver}


@pytest.mark.parametrize("operation", ["DatasetToTFRecord", "ExperimentalDatasetToTFRecord", "SaveV2"])
def test_nothing_is_written_by_loading(tmp_path: Path, operation: str) -> None:
    (tmp_path / "model").mkdir()
    _written(tmp_path / "model", Planting(_written_by_loading(tmp_path)[operation]))
    with pytest.raises(ReticentError, match=rf"would import .*tensorflow\.{operation}\b.*trust=True"):
        load_model(tmp_path / "model")
    assert not list(tmp_path.glob("planted*"))
    load_model(tmp_path / "model", trust=True)
    assert list(tmp_path.glob("planted*")), "the attack is none"


@pytest.mark.parametrize("place", ["its own", "the saver's"])
def test_a_saver_is_known_by_its_place(tmp_path: Path, place: str) -> None:
    """A function that is called at loading has the name of those that save, or is named as the saver too."""
    (tmp_path / "model").mkdir()
    _written(tmp_path / "model", Planting(_written_by_loading(tmp_path)["SaveV2"]))
    file = tmp_path / "model" / "tf2model" / "saved_model.pb"
    saved = SavedModel.FromString(file.read_bytes())
    meta = saved.meta_graphs[0]
    [planted] = [
        function.signature.name
        for function in meta.graph_def.library.function
        if any(node.op == "SaveV2" for node in function.node_def) and "traced_save" not in function.signature.name
    ]
    if place == "its own":
        renamed = f"__inference__traced_save_{planted.rpartition('_')[2]}"
        content = text_format.MessageToString(saved).replace(f'"{planted}"', f'"{renamed}"')
        saved = text_format.Parse(content, SavedModel())
    else:
        [node] = [node for node in meta.graph_def.node if node.name == meta.saver_def.restore_op_name]
        node.attr["f"].func.name = planted
    file.write_bytes(saved.SerializeToString())
    with pytest.raises(ReticentError, match=r"would import .*tensorflow\.SaveV2\b"):
        load_model(tmp_path / "model")
    assert not list(tmp_path.glob("planted*"))


def test_a_graph_of_tensorflow_1_has_no_savers(tmp_path: Path) -> None:
    """There what the graph names as the saver is called."""
    _written(tmp_path, Planting(lambda: None))
    file = tmp_path / "tf2model" / "saved_model.pb"
    saved = SavedModel.FromString(file.read_bytes())
    assert unsafe_operations(file.parent) == []
    saved.meta_graphs[0].ClearField("object_graph_def")
    file.write_bytes(saved.SerializeToString())
    assert {"tensorflow.SaveV2", "tensorflow.RestoreV2"} <= set(unsafe_operations(file.parent))


def test_assets_are_files_of_the_model(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("a")
    model = tf.Module()
    model.words = tf.saved_model.Asset(str(tmp_path / "words.txt"))
    (tmp_path / "model").mkdir()
    _written(tmp_path / "model", model)
    loaded = load_model(tmp_path / "model")
    assert Path(loaded.words.asset_path.numpy().decode()).read_text() == "a"
    file = tmp_path / "model" / "tf2model" / "saved_model.pb"
    saved = SavedModel.FromString(file.read_bytes())
    saved.meta_graphs[0].asset_file_def[0].filename = "../../../words.txt"
    file.write_bytes(saved.SerializeToString())
    with pytest.raises(ReticentError, match=r"an asset that is not among its own: .*words"):
        load_model(tmp_path / "model")


def test_what_only_computes_needs_no_trust(tmp_path: Path) -> None:
    model = Computing()
    _written(tmp_path, model)
    text = tf.constant(["a x", "B y", "c"])
    assert np.allclose(load_model(tmp_path)(text), model(text))


def test_a_model_of_keras_that_was_exported_needs_no_trust(tmp_path: Path) -> None:
    words = keras.layers.StringLookup(vocabulary=["a", "b"])
    text = keras.Input((3,), dtype="string")
    hidden = keras.layers.Embedding(3, 4)(words(text))
    hidden = keras.layers.LSTM(3)(keras.layers.Dropout(0.5)(hidden))
    hidden = keras.layers.LayerNormalization()(keras.layers.Dense(3, activation="gelu")(hidden))
    model = keras.Model(text, keras.layers.Dense(1)(hidden))
    model.export(tmp_path / "tf2model", verbose=False)
    (tmp_path / "MLmodel").write_text(yaml.safe_dump({"flavors": {"tensorflow": {"saved_model_dir": "tf2model"}}}))
    given = tf.constant([["a", "b", "c"]])
    assert np.allclose(load_model(tmp_path).serve(given), model(given), atol=1e-6)


def test_the_list_holds_operations_of_tensorflow_and_none_that_reads_files() -> None:
    known = {name for name in dir(tf.raw_ops) if name[0].isupper()}
    listed = graph._computing()
    assert len(listed & known) > 800
    assert not {
        name
        for name in listed
        if name.endswith(("Dataset", "DatasetV2", "Writer", "PyFunc", "File", "FileV2", "Reader")) or "Files" in name
    }
    assert not listed & {"ImmutableConst", "FixedUnigramCandidateSampler", "DecodeProtoV2", "PrintV2", "CopyHost"}


def test_what_is_changed_after_it_was_judged_is_not_loaded(tmp_path: Path) -> None:
    for name in ("model", "other"):
        (tmp_path / name).mkdir()
    _written(tmp_path / "model", Planting(lambda: None))
    _written(tmp_path / "other", Planting(_written_by_loading(tmp_path)["SaveV2"]))
    given = flavor.imports

    def judging(directory: Path, config: Any) -> list[str]:
        judged = given(directory, config)
        shutil.copytree(tmp_path / "other", directory, dirs_exist_ok=True)
        return judged

    with opened(tmp_path / "model") as model, pytest.raises(ReticentError, match=r"was changed.*tensorflow\.SaveV2"):
        replace(model, flavor=replace(flavor, imports=judging)).load(trust=False)
    assert not list(tmp_path.glob("planted*"))


def test_a_damaged_graph_is_refused(tmp_path: Path) -> None:
    _written(tmp_path, Difference())
    file = tmp_path / "tf2model" / "saved_model.pb"
    file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(ReticentError, match="cannot be loaded as tensorflow: DecodeError"):
        load_model(tmp_path)


def test_several_inputs_come_in_any_form(tmp_path: Path) -> None:
    model = load_pyfunc(_written(tmp_path, Difference()))
    one, two = ROWS[:, 0], ROWS[:, 1]
    for given in (
        {"two": two, "one": one},
        {"two": two.tolist(), "one": one.astype("float64")},
        pd.DataFrame({"two": two, "one": one}),
    ):
        assert np.allclose(model.predict(given), one - two)
    with pytest.raises(ValueError, match="the inputs one, two: give a dict"):
        model.predict(ROWS)


def test_a_module_that_was_not_saved_is_asked_directly() -> None:
    class Doubled(tf.Module):
        def __call__(self, rows: Any) -> Any:
            return rows * 2

    assert np.allclose(predict(Doubled(), pd.DataFrame(ROWS), {}), ROWS * 2)


def test_saving_leaves_the_module_as_it_is(tmp_path: Path) -> None:
    model = Difference()
    model.weight = tf.Variable(2.0)
    attributes = set(vars(model))
    flavor.save(model, tmp_path)
    assert set(vars(model)) == attributes
    assert float(model.weight) == 2.0


def test_a_model_of_keras_that_mlflow_saved_as_one_of_tensorflow_is_loaded(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    mlflow.tensorflow.save_model(model, str(tmp_path / "model"), pip_requirements=["tensorflow"])
    # MLflow pickles every class that this process has registered into it.
    loaded = load_pyfunc(tmp_path / "model", trust=True)
    assert np.allclose(loaded.predict(ROWS), model.predict(ROWS, verbose=0))
