"""`.keras` files of unknown origin are looked through before Keras sees them."""

from __future__ import annotations

import copy
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from reticent_integrations.keras import archive


def _part(
    name: str, module: str | None = "keras.layers", registered: str | None = None, **config: Any
) -> dict[str, Any]:
    return {"module": module, "class_name": name, "config": config, "registered_name": registered}


def _function(name: str, module: str) -> dict[str, Any]:
    return {"module": module, "class_name": "function", "config": name, "registered_name": "function"}


def _file(path: Path, content: bytes = b"{}", **others: bytes) -> Path:
    with zipfile.ZipFile(path / "model.keras", "w") as packed:
        packed.writestr("config.json", content)
        for name, data in others.items():
            packed.writestr(name, data)
    return path / "model.keras"


@pytest.mark.parametrize("name", ["../x", "/etc/x", "assets/../../x", "assets\\..\\..\\x"])
def test_a_file_that_leads_out_of_the_archive_is_refused(tmp_path: Path, name: str) -> None:
    file = _file(tmp_path, **{name: b"x"})
    with pytest.raises(ValueError, match="leads out"):
        archive.config_of(file)


def test_a_file_that_fills_the_memory_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.keras", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("config.json", "{}")
        packed.writestr("model.weights.h5", bytes(20 << 20))
    with pytest.raises(ValueError, match="20971520 bytes"):
        archive.config_of(tmp_path / "model.keras")


def test_files_that_overlap_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as packed:
        packed.writestr("config.json", "{}" + " " * 4000)
        for number in range(5):
            again = copy.copy(packed.infolist()[0])
            again.filename = f"assets/{number}"
            packed.filelist.append(again)
    with pytest.raises(ValueError, match="overlap"):
        archive.config_of(tmp_path / "model.keras")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as packed:
        packed.writestr("config.json", "{}")
        packed.writestr("config.json", '{"class_name": "Lambda"}')
    with pytest.raises(ValueError, match="same name"):
        archive.config_of(tmp_path / "model.keras")


def test_a_config_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_MAX_CONFIG", 1000)
    assert archive.config_of(_file(tmp_path, b"{" + b" " * 998 + b"}")) == {}
    with pytest.raises(ValueError, match="more than 1000 bytes"):
        archive.config_of(_file(tmp_path, b"{" + b" " * 999 + b"}"))
    (tmp_path / "config.json").write_bytes(b"{" + b" " * 999 + b"}")
    with pytest.raises(ValueError, match="more than 1000 bytes"):
        archive.config_of(tmp_path)


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_bytes(_file(tmp_path).read_bytes()[:40])
    with pytest.raises(zipfile.BadZipFile):
        archive.config_of(tmp_path / "model.keras")


@pytest.mark.parametrize(
    ("part", "found"),
    [
        (_part("Dense"), []),
        (_part("Dense", registered="Dense"), []),
        (_part("Functional", "keras.src.models.functional", "Functional"), []),
        (_function("relu", "keras.activations"), []),
        (_function("relu", "builtins"), []),
        (_function("mean_squared_error", "builtins"), []),
        (_function("load_model", "builtins"), ["?.load_model"]),
        (_part("__numpy__", None, value=[1], dtype="float32"), []),
        (_part("Own", "users.layers", "users>Own"), ["users.layers.Own"]),
        (_part("Own", "users.layers", "Own"), ["users.layers.Own"]),
        (_part("Dense", registered="users>Own"), ["keras.layers.Dense"]),  # stands for what the process has registered
        (_part("Own", None), ["?.Own"]),
        (_part("Dense", "keras_hub.layers"), ["keras_hub.layers.Dense"]),
        (_part("Dense", "kerasx"), ["kerasx.Dense"]),
        (_part("system", "os"), ["os.system"]),
        (_function("users>own", "users.losses"), ["users.losses.own"]),
        (_function("users>own", "builtins"), ["?.own"]),
        (_function("system", "os"), ["os.system"]),
        ({"class_name": "Lambda", "config": {}}, ["?.Lambda", "keras.layers.Lambda"]),
        ({"class_name": "__lambda__", "config": {"code": "4w"}}, ["marshal.loads (the code of a lambda)"]),
        (_part("TorchModuleWrapper", module_="UEsD"), ["keras.layers.TorchModuleWrapper"]),
        (_part("TFSMLayer", filepath="/x"), ["keras.layers.TFSMLayer"]),
        (_part("StringLookup", vocabulary="/etc/passwd"), ["keras.layers.StringLookup (reads a file of this machine)"]),
        (_part("StringLookup", vocabulary=["a"]), []),
        ({"class_name": ["Dense"], "config": None}, ["?.['Dense']"]),
        ({"class_name": "function", "config": ["relu"], "module": "builtins"}, ["?.['relu']"]),
    ],
)
def test_what_a_config_runs_is_listed(part: Any, found: list[str]) -> None:
    assert archive.imports(part) == found
    assert archive.imports(_part("Sequential", "keras", layers=[_part("Dense"), {"inner": [part]}])) == found


def test_a_config_may_be_nested_deeply() -> None:
    config: Any = _part("system", "os")
    for _ in range(100_000):
        config = [config]
    assert archive.imports(config) == ["os.system"]
    while config:  # freed step by step
        config = config.pop() if isinstance(config, list) else None


def test_what_is_not_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(json.JSONDecodeError):
        archive.config_of(_file(tmp_path, b"{'class_name'"))
