"""Classes and functions in pickles: looked up by calls, as dill does it, or there by value, with whatever is in them."""

from __future__ import annotations

import collections
import dataclasses
import enum
import functools
import io
import logging
import pickle
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import cloudpickle
import dill
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reticent_redact import Redactor, SealedFile, Withheld, pickle_imports

KEY = "pass" + "word"
VALUE = "tr0ub4dor" + "-and-3"
FOUND = Withheld("key-password")


class Dilling(pickle._Pickler):  # type: ignore[name-defined,misc]  # joblib's is one of these
    """The pickler in Python as it is once dill is imported."""

    dispatch: ClassVar[dict[type, Any]] = {**pickle._Pickler.dispatch, **dill.Pickler.dispatch}  # type: ignore[attr-defined]


def with_dill(value: Any, protocol: int = 4) -> bytes:
    file = io.BytesIO()
    Dilling(file, protocol).dump(value)
    return file.getvalue()


def sealed(directory: Path, content: bytes) -> SealedFile | Withheld:
    (directory / "source").write_bytes(content)
    return Redactor().seal_file(directory / "source", directory / "target", name="model.bin")


def called(function: str, *arguments: Any) -> bytes:
    """A pickle of a call under a secret's key."""
    module, _, name = function.rpartition(".")
    call = f"c{module}\n{name}\n".encode() + pickle.dumps(arguments, 2)[2:-1] + b"R"
    return b"\x80\2}" + pickle.dumps(KEY, 2)[2:-1] + call + b"s."


LOOKED_UP: dict[str, Any] = {
    "types of Python": [int, float, str, bytes, dict, list, tuple, set, type, object, Exception, slice],
    "types without a name there": [functools.partial, super, types.FunctionType, types.MethodType, types.CodeType],
    "constants": [..., NotImplemented, type(...), type(NotImplemented), type(None)],
    "ranges": [range(3), range(-1, 5, 2)],
    "containers": [collections.defaultdict(list), functools.partial(int, base=2), list[int], slice(1, 2)],
}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", LOOKED_UP)
def test_what_dill_looks_up_is_no_secret(tmp_path: Path, kind: str, protocol: int) -> None:
    content = with_dill({KEY: LOOKED_UP[kind], "api_key": float}, protocol)
    assert "dill._dill._load_type" in pickle_imports(content)
    assert isinstance(sealed(tmp_path, content), SealedFile)


def test_a_module_is_no_secret(tmp_path: Path) -> None:
    for dump in (with_dill, cloudpickle.dumps):
        assert isinstance(sealed(tmp_path, dump({"secret": logging, KEY: Path.__module__})), Withheld)
        assert isinstance(sealed(tmp_path, dump({KEY: logging, "secrets": types})), SealedFile)


LOOK_UPS = [
    f"dill._dill.{name}" for name in ("_load_type", "_eval_repr", "_import_module", "_create_type", "_get_attr")
]
LOOK_UPS += [f"cloudpickle.cloudpickle.{name}" for name in ("_builtin_type", "subimport")]


@pytest.mark.parametrize("function", LOOK_UPS)
def test_a_text_that_is_no_name_here_is_a_secret_in_such_a_call(tmp_path: Path, function: str) -> None:
    for arguments in ((VALUE,), (VALUE.encode(),), ([VALUE],), ("float", VALUE), (VALUE, "float"), ("float " + VALUE,)):
        assert sealed(tmp_path, called(function, *arguments)) == FOUND
    assert sealed(tmp_path, called("somewhere._load_type", "float")) == FOUND


def test_what_a_module_is_told_is_looked_at(tmp_path: Path) -> None:
    inner = pickle.dumps({KEY: VALUE}, 2)[2:-1]
    for tail in (inner + b"b.", inner + b"b0N."):
        assert sealed(tmp_path, b"\x80\2cdill._dill\n_import_module\nX\5\0\0\0types\x85R" + tail) == FOUND


def test_what_is_thrown_away_is_looked_at(tmp_path: Path) -> None:
    inner = pickle.dumps({KEY: VALUE}, 2)[2:-1]
    for content in (inner + b"0N.", b"(" + inner + b"1N.", b"(" + inner + b"00N."):
        assert sealed(tmp_path, b"\x80\2" + content) == FOUND


@given(text=st.text(max_size=30), function=st.sampled_from(LOOK_UPS))
def test_each_call_of_dill_has_to_be_trusted(text: str, function: str) -> None:
    assert pickle_imports(called(function, text)) == [function]


def test_code_by_value_has_to_be_trusted() -> None:
    names = pickle_imports(with_dill({"function": lambda: 1, "range": range(2), "class": local_class()}))
    expected = {f"dill._dill.{name}" for name in ("_create_function", "_create_code", "_create_type", "_eval_repr")}
    assert expected.issubset(names)


def local_class() -> type:
    class Local:
        password: str
        api_key: list[int] | None
        token: float = 3.0

        def login(self, password: str, user_id: int) -> str:
            return password

    return Local


def holding() -> Callable[..., Any]:
    def login(*, password: str = VALUE) -> None:
        pass

    return login


def told() -> Callable[..., Any]:
    def login() -> None:
        pass

    setattr(login, KEY, VALUE)
    return login


def of(**attributes: Any) -> Any:
    return type("Local", (), {"__module__": __name__, **attributes})


@dataclasses.dataclass
class Field:
    password: str = VALUE


class Call:
    """Is made by a call of what holds a secret itself."""

    def __reduce__(self) -> tuple[Any, ...]:
        return functools.partial(dict, **{KEY: VALUE}), ()


BY_VALUE: dict[str, Any] = {
    "attribute of a class": of(**{KEY: VALUE}),
    "attribute of an object's class": of(**{KEY: VALUE})(),
    "inherited": type("Below", (of(**{KEY: VALUE}),), {"__module__": __name__})(),
    "default of a keyword": holding(),
    "attribute of a function": told(),
    "of what is called": Call(),
}


@pytest.mark.parametrize("kind", BY_VALUE)
def test_a_secret_in_a_class_or_function_by_value(tmp_path: Path, kind: str) -> None:
    for dump in (with_dill, cloudpickle.dumps):
        assert sealed(tmp_path, dump([BY_VALUE[kind]])) == FOUND, dump
        assert sealed(tmp_path, dump({"a": [1, BY_VALUE[kind], 2]})) == FOUND, dump
        assert isinstance(sealed(tmp_path, dump(BY_VALUE[kind])[:-1]), Withheld)


def test_a_secret_in_a_class_that_cloudpickle_has_by_value(tmp_path: Path) -> None:
    here = sys.modules[__name__]
    cloudpickle.register_pickle_by_value(here)
    try:
        fields, members = Field, enum.Enum("Members", {KEY: VALUE}, module=__name__)  # type: ignore[misc]
        for value in (fields, fields(), members, collections.namedtuple("T", KEY, defaults=[VALUE], module=__name__)):
            assert sealed(tmp_path, cloudpickle.dumps([value])) == FOUND, value
    finally:
        cloudpickle.unregister_pickle_by_value(here)


def test_classes_and_functions_by_value_without_secrets_pass(tmp_path: Path) -> None:
    @dataclasses.dataclass
    class Settings:
        """Some words."""

        password: str | None = None
        api_key: int = 3

    def login(password: str, user: str = "me") -> str:
        return logging.getLevelName(len(password))

    for value in (local_class(), local_class()(), login, [login, local_class()], lambda token: token):
        assert isinstance(sealed(tmp_path, cloudpickle.dumps({"a": value})), SealedFile)
        assert isinstance(sealed(tmp_path, with_dill({"a": value})), SealedFile)
    assert isinstance(sealed(tmp_path, cloudpickle.dumps([Settings, Settings()])), SealedFile)


def test_a_secret_where_a_type_is_named(tmp_path: Path) -> None:
    for declared in ({"__annotations__": {KEY: VALUE}}, {"__dataclass_fields__": {"a": {KEY: VALUE}}}):
        assert sealed(tmp_path, pickle.dumps(declared)) == FOUND
