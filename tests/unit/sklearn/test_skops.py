"""A skops file of unknown origin: what it would run is told, and nothing of it has run before it was trusted."""

from __future__ import annotations

import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from scipy import sparse
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.tree import DecisionTreeClassifier

from reticent.errors import ReticentError
from reticent.models import load_model

ROWS = np.random.default_rng(0).normal(size=(40, 3))
CLASSES = (ROWS[:, 0] > 0).astype(int)

Node = dict[str, Any]
_OWN = ("sklearn._loss.loss", "np")


def node(loader: str, module: str, name: str, **more: Any) -> Node:
    return {"__loader__": loader, "__module__": module, "__class__": name, **more}


def plain(value: Any) -> Node:
    return node("JsonNode", "builtins", "str", content=json.dumps(value), is_json=True)


def listed(*parts: Node, **more: Any) -> Node:
    return node("ListNode", "builtins", "list", content=list(parts), **more)


def mapped(**items: Node) -> Node:
    return node("DictNode", "builtins", "dict", content=items, key_types=listed(*[text() for _ in items]))


def text() -> Node:
    return node("TypeNode", "builtins", "str")


def called(module: str, name: str, *arguments: Any) -> Node:
    return node("ConstructorFromReduceNode", module, name, content=listed(*map(plain, arguments)))


def shell(command: str) -> Node:
    """What calls os.system, by names that look like scikit-learn's."""
    function = node("FunctionNode", *_OWN)
    for attribute in ("lib", "_npyio_impl", "os", "system"):
        function = node("MethodNode", *_OWN, content={"func": attribute, "obj": function})
    parts = {"func": function, "args": listed(plain(command)), "kwds": mapped(), "namespace": plain(None)}
    return node("PartialNode", "sklearn._loss.x", "y", content=parts)


def described(directory: Path) -> Path:
    directory.mkdir(exist_ok=True)
    config = "{pickled_model: model.skops, serialization_format: skops, sklearn_version: 1.9.1}"
    (directory / "MLmodel").write_text(f"flavors:\n  sklearn: {config}\n")
    return directory / "model.skops"


def saved(directory: Path, model: Any) -> Node:
    """What the file says of a model that is saved in the directory."""
    path = described(directory)
    skops.io.dump(model, path)
    with zipfile.ZipFile(path) as archive:
        content: Node = json.loads(archive.read("schema.json"))
    return content


def forged(directory: Path, content: Node, protocol: int = 2) -> Path:
    """The directory, where the file of the model now says this."""
    path = described(directory)
    members = {}
    if path.exists():
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    members["schema.json"] = json.dumps({**content, "protocol": protocol, "_skops_version": "0.16.0"}).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return directory


def test_a_command_under_names_of_scikit_learn_is_not_run(tmp_path: Path) -> None:
    tree = DecisionTreeClassifier(max_depth=1).fit(ROWS, CLASSES).tree_
    content = saved(tmp_path, tree)
    asked = {"main": mapped(x=plain(1)), "default_factory": shell(f"touch {tmp_path / 'ran'}")}
    content["content"] = node("DefaultDictNode", "collections", "defaultdict", content=asked)
    with pytest.raises(ReticentError, match=r"would import .*sklearn\._loss\.x\.y \(PartialNode\)"):
        load_model(forged(tmp_path, content))
    assert not (tmp_path / "ran").exists()


def test_a_class_that_a_module_of_scikit_learn_only_uses_is_not_called(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("kept")
    opened = called("sklearn.datasets._rcv1", "GzipFile", str(precious), "wb")
    with pytest.raises(ReticentError, match=r"would import sklearn\.datasets\._rcv1\.GzipFile"):
        load_model(forged(tmp_path, listed(opened)))
    assert precious.read_text() == "kept"


LOGISTIC = ("sklearn.linear_model._logistic", "LogisticRegression")

HARMFUL: dict[str, Callable[[], Node]] = {
    "called": lambda: called(*LOGISTIC),
    "filled, of another's": lambda: node("ObjectNode", "sklearn.datasets._rcv1", "GzipFile", content=mapped()),
    "filled, not with a dict": lambda: node("ObjectNode", *LOGISTIC, content=listed()),
    "filled, compiled": lambda: node("ObjectNode", "sklearn.neighbors._kd_tree", "KDTree", content=mapped()),
    "filled, a connection": lambda: node("ObjectNode", "sklearn.callback._transport", "Listener", content=mapped()),
    "an array in memory": lambda: node("ObjectNode", *LOGISTIC, content=mapped(__array_interface__=mapped())),
    "a method": lambda: node("MethodNode", *LOGISTIC, content={"func": "fit", "obj": node("ObjectNode", *LOGISTIC)}),
    "an operator": lambda: node("OperatorFuncNode", "operator", "methodcaller", attrs=listed(plain("fit"))),
    "a list of another's": lambda: node("ListNode", "numpy", "memmap", content=[plain("/tmp/x")]),
    "a loss of another's": lambda: node(
        "LossNode", "sklearn._loss.loss", "np", content=mapped(), __reduce__={"args": listed()}
    ),
    "a loss that is a class": lambda: node("LossNode", *LOGISTIC, content=mapped(), __reduce__={"args": listed()}),
    "a type to call": lambda: node("TypeNode", *LOGISTIC),
    "a module": lambda: node("FunctionNode", "sklearn.metrics._ranking", "np"),
    "a function": lambda: node("FunctionNode", "sklearn.metrics._ranking", "_binary_roc_auc_score"),
    "a function of numpy": lambda: node("FunctionNode", "numpy", "load"),
    "something cached": lambda: listed(plain(1) | {"__id__": 7}, node("CachedNode", "x", "y", __id__=7)),
    "two kinds": lambda: listed(listed(__id__=7), mapped() | {"__id__": 7}),
    "no kind": lambda: listed({"__loader__": ["ListNode"], "__module__": "builtins", "__class__": "list"}),
    "hidden beside": lambda: listed() | {"beside": [{"deep": called("os", "getpid")}]},
}


@pytest.mark.parametrize("kind", HARMFUL)
def test_what_is_not_data_asks_for_trust(tmp_path: Path, kind: str) -> None:
    with pytest.raises(ReticentError, match="would import"):
        load_model(forged(tmp_path, HARMFUL[kind]()))


@pytest.mark.parametrize("protocol", [0, 3])
def test_what_is_written_otherwise_asks_for_trust(tmp_path: Path, protocol: int) -> None:
    with pytest.raises(ReticentError, match=rf"would import .*protocol {protocol}"):
        load_model(forged(tmp_path, listed(), protocol=protocol))


def test_models_are_data(tmp_path: Path) -> None:
    for model in (LogisticRegression(), SGDClassifier(random_state=0), HistGradientBoostingClassifier(max_iter=2)):
        skops.io.dump(model.fit(ROWS, CLASSES), described(tmp_path))
        assert np.array_equal(load_model(tmp_path).predict(ROWS), model.predict(ROWS))


def test_what_leads_compiled_code_astray_is_refused(tmp_path: Path) -> None:
    content = saved(tmp_path, np.random.RandomState(0))
    content["content"]["content"]["state"]["content"]["pos"] = plain(1 << 30)
    with pytest.raises(ReticentError, match="outside of its numbers"):
        load_model(forged(tmp_path, content))

    matrix = sparse.csr_array(np.eye(3))
    matrix.indices[1] = 1 << 20
    saved(tmp_path, [matrix])
    with pytest.raises(ReticentError, match="indices must be < 3"):
        load_model(tmp_path)


def stuffed(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", json.dumps(listed()) + " " * (40 << 20))


def stuffed_a_little(path: Path) -> None:
    mixed = bytes(random.Random(0).choices(b" \n", k=1 << 12)) + b" " * (1 << 15)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", json.dumps(listed()).encode() + mixed * 2000)


def stuffed_member(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", json.dumps(listed() | {"protocol": 2}))
        archive.writestr("1.npy", bytes(40 << 20))


def stuffed_matrix(path: Path) -> None:
    with zipfile.ZipFile(path.with_name("inner"), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.npy", bytes(40 << 20))
    with zipfile.ZipFile(path, "w") as archive:
        matrix = node("SparseMatrixNode", "scipy.sparse._csr", "csr_matrix", type="scipy", file="1.npz", __id__=1)
        archive.writestr("schema.json", json.dumps(matrix | {"protocol": 2}))
        archive.writestr("1.npz", path.with_name("inner").read_bytes())


def read_often(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        parts = [node("NdArrayNode", "numpy", "ndarray", type="numpy", file="1.npy", __id__=one) for one in (1, 2)]
        archive.writestr("schema.json", json.dumps(listed(*parts) | {"protocol": 2}))
        archive.writestr("1.npy", b"")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def twice(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for _ in range(2):
            archive.writestr("schema.json", json.dumps(listed() | {"protocol": 2}))


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("make", "error"),
    [
        (stuffed, "a member of 4.* bytes that fills"),
        (stuffed_a_little, "and a schema.json of 7"),
        (stuffed_member, "a member of 4.* bytes that fills"),
        (stuffed_matrix, "a member of 4.* bytes that fills"),
        (read_often, "several objects are read from: '1.npy'"),
        (twice, "two members of the same name"),
    ],
)
def test_what_would_fill_the_memory_is_refused(tmp_path: Path, make: Callable[[Path], None], error: str) -> None:
    make(described(tmp_path))
    with pytest.raises(ReticentError, match=f"cannot be loaded as sklearn: ValueError: .*{error}"):
        load_model(tmp_path, trust=True)
