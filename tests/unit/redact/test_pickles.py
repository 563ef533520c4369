"""Pickles: what stands under a secret's key in the structure that they would make, however they are written."""

from __future__ import annotations

import argparse
import collections
import gzip
import io
import pathlib
import pickle
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from reticent_redact import Redactor, SealedFile, Withheld, binary, pickled, stack

KEY = "pass" + "word"
VALUE = "tr0ub4dor" + "-and-3"
TEXT = f"{KEY}={VALUE}"
FOUND = Withheld("key-password")


class Settings:
    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields, around=self)


class Slotted:
    __slots__ = (KEY,)


class Mapping(dict[str, str]):
    pass


def slotted() -> Slotted:
    made = Slotted()
    setattr(made, KEY, VALUE)
    return made


def nested(depth: int) -> Any:
    made: Any = {KEY: VALUE}
    for number in range(depth):
        made = {f"level{number}": made} if number % 2 else [made]
    return made


SECRETS: dict[str, Any] = {
    "in a list": {KEY: [VALUE]},
    "in a dict": {KEY: {"value": VALUE}},
    "in a set": {KEY: frozenset([VALUE])},
    "as bytes": {KEY: VALUE.encode()},
    "under bytes": {KEY.encode(): VALUE},
    "under a tuple": {("db", KEY): VALUE},
    "under tuples of one text": {("db", 1): TEXT, ("db", 2): "text"},
    "under one of many": {**{f"n{number}": number for number in range(3000)}, KEY: VALUE},
    "assigned in a text": {"cfg": TEXT},
    "assigned in bytes": {"cfg": TEXT.encode()},
    "assigned in a long text": {"cfg": "some words " * 500 + TEXT},
    "assigned in long bytes": {"cfg": b"some words " * 500 + TEXT.encode()},
    "JSON": {"cfg": f'{{"{KEY}": "{VALUE}"}}'},
    "name and value": [{"name": KEY, "value": VALUE}],
    "argument": ["train", "--" + KEY, VALUE],
    "under a key used before": [KEY, {"a": 1}, {KEY: VALUE}],
    "a value used before": [VALUE, {"a": 1}, {KEY: VALUE}],
    "namespace": argparse.Namespace(**{KEY: VALUE}),
    "simple namespace": types.SimpleNamespace(**{KEY: VALUE}),
    "ordered dict": collections.OrderedDict({KEY: VALUE}),
    "default dict": collections.defaultdict(list, {KEY: [VALUE]}),
    "subclass of dict": Mapping({KEY: VALUE}),
    "an object in itself": Settings(inner={KEY: [VALUE]}),
    "path": {KEY: pathlib.PurePosixPath(f"/run/{VALUE}")},
    "numpy text": {KEY: np.str_(VALUE)},
    "numpy texts": {KEY: np.array([VALUE])},
    "assigned in numpy texts": np.array(["of no interest", TEXT]),
    "numpy bytes": {KEY: np.array([VALUE.encode()])},
    "numpy objects": np.array([{KEY: VALUE}], dtype=object),
    "pandas": pd.Series([{KEY: VALUE}], name="settings"),
    "pickle": {"inner": pickle.dumps({KEY: [VALUE]})},
    "compressed pickle": {"inner": gzip.compress(pickle.dumps({KEY: [VALUE]}))},
    "very deep": nested(100),
}


def sealed(directory: Path, content: bytes) -> SealedFile | Withheld:
    (directory / "source").write_bytes(content)
    return Redactor().seal_file(directory / "source", directory / "target", name="model.bin")


def by_joblib(value: Any, compress: int = 0) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(value, buffer, compress=compress)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_by_its_key(tmp_path: Path, kind: str) -> None:
    value = SECRETS[kind]
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        result = sealed(tmp_path, pickle.dumps(value, protocol))
        # Protocol 0 is lines of text, each with a letter of the pickle's before it.
        assert isinstance(result, Withheld), protocol
        assert result == FOUND or (protocol == 0 and result.rule.startswith("key-")), protocol
    among_arrays = [np.arange(10.0), value, np.zeros((2, 3), "<f4"), {"after": np.array(["text"])}]
    assert sealed(tmp_path, by_joblib(among_arrays)) == FOUND
    assert sealed(tmp_path, by_joblib(among_arrays, compress=3)) == FOUND


def test_a_secret_behind_the_arrays_of_joblib(tmp_path: Path) -> None:
    arrays = {
        "empty": np.zeros((0, 3)),
        "scalar": np.array(3.0),
        "records": np.zeros(5, dtype=[("a", "<i4"), ("b", "S3")]),
        "dates": np.array(["2026-01-01"], dtype="M8[D]"),
        "objects": np.array([{"a": np.arange(3)}, None], dtype=object),
        "flags": np.ones(70_000, dtype=bool),
    }
    assert sealed(tmp_path, by_joblib({**arrays, KEY: [VALUE]})) == FOUND
    assert isinstance(sealed(tmp_path, by_joblib({**arrays, "note": VALUE})), SealedFile)


def test_an_attribute_in_a_slot(tmp_path: Path) -> None:
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert sealed(tmp_path, pickle.dumps(slotted(), protocol)) == FOUND


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_second_pickle_in_a_file(tmp_path: Path, protocol: int) -> None:
    def dump(value: Any) -> bytes:
        return pickle.dumps(value, protocol)

    assert sealed(tmp_path, dump({"a": [1]}) + dump("words") + dump({KEY: [VALUE]})) == FOUND
    assert isinstance(sealed(tmp_path, dump({"a": [1]}) + dump({"b": VALUE})), SealedFile)


def test_what_follows_a_pickle_need_not_be_one(tmp_path: Path) -> None:
    for tail in (
        np.arange(1000.0).tobytes(),
        b"\x80\x02\xff\xff\xff",
        b"\x80\x04",
        b"(dd",
        b"Some text.",
        b"X\xff" * 999,
    ):
        assert isinstance(sealed(tmp_path, pickle.dumps({"weights": "follow"}) + tail), SealedFile)


def test_a_pickle_that_is_cut_off_or_damaged_is_withheld(tmp_path: Path) -> None:
    whole = pickle.dumps({"names": ["alpha", "beta"], "n": list(range(50)), "o": Settings(depth=3)})
    for content in (whole[:-1], whole[:60], whole[:40] + b"\xff" + whole[41:]):
        assert sealed(tmp_path, content) == Withheld("unscanned")
    assert sealed(tmp_path, by_joblib(np.arange(500.0))[:-100]) == Withheld("unscanned")


def test_a_pickle_of_more_than_is_held_in_memory_is_withheld(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "MOST_ITEMS", 1000)
    assert isinstance(sealed(tmp_path, pickle.dumps([str(number) for number in range(900)])), SealedFile)
    assert isinstance(sealed(tmp_path, pickle.dumps(list(range(5000)))), SealedFile), "numbers are not held"
    assert sealed(tmp_path, pickle.dumps([str(number) for number in range(2000)])) == Withheld("unscanned")


def test_one_thing_at_many_places_is_looked_at_once(tmp_path: Path) -> None:
    shared: Any = ["word"]
    for _ in range(60):
        shared = [shared, shared]  # 2 ** 60 places
    assert isinstance(sealed(tmp_path, pickle.dumps({"a": shared})), SealedFile)
    assert sealed(tmp_path, pickle.dumps({"a": shared, KEY: shared})) == FOUND


@pytest.mark.parametrize("dump", [pickle.dumps, by_joblib], ids=["pickle", "joblib"])
def test_models_and_data_without_secrets_pass(tmp_path: Path, dump: Callable[[Any], bytes]) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 3)), rng.integers(0, 2, 60)
    words = ["the password is a word", "the token of a secret", "a key to it all"] * 5
    frame = pd.DataFrame({"a": [1.5, 2.5], "token": ["der", "die"], "when": pd.to_datetime(["2026-01-01"] * 2)})
    for value in (
        RandomForestClassifier(3, random_state=0).fit(x, y),
        make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y),
        TfidfVectorizer(ngram_range=(1, 2)).fit(words),
        OneHotEncoder().fit([["a"], ["b"]]),
        frame,
        {"secret": np.float64(0.5), "password": 3, "n_tokens": np.int64(7), "credential": None, "api_key": float},
        {"rng": rng, "state": np.random.RandomState(0), "x": x.astype("f2"), "y": y > 0},
    ):
        content = dump(value)
        assert isinstance(sealed(tmp_path, content), SealedFile), value
        assert (tmp_path / "target").read_bytes() == content


TABLES: dict[str, Any] = {
    "series": pd.Series({KEY: VALUE}),
    "series with numbers": pd.Series({"a": 1, "b": 2, "solver": "lbfgs", KEY: VALUE, "c": 3}),
    "series with a name": pd.Series([VALUE, "b"], name=KEY),
    "frame": pd.DataFrame({"n": [1.5], KEY: [VALUE], "user": ["me"]}),
    "frame of objects": pd.DataFrame({"n": ["x", "y"], KEY: [VALUE, None], "u": ["me", "you"]}, dtype=object),
    "categories": pd.DataFrame({"n": [1.5], KEY: [VALUE]}).astype("category"),
    "attribute": Settings(frame=pd.DataFrame({KEY: [VALUE]})),
    "field": np.array([(1, "me", VALUE)], dtype=[("n", "i4"), ("user", "U8"), (KEY, ">U20")]),
    "field in a field": np.array(
        [(1, ("me", VALUE.encode()))], dtype=[("n", "i4"), ("db", [("u", "U8"), (KEY, "S20")])]
    ),
    "cell": np.array([(1, ["of no interest", TEXT])], dtype=[("n", "i4"), ("texts", "S40", (2,))]),
}


@pytest.mark.parametrize("kind", TABLES)
def test_a_secret_in_a_table(tmp_path: Path, kind: str) -> None:
    value = TABLES[kind]
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert sealed(tmp_path, pickle.dumps(value, protocol)) == FOUND, protocol
    assert sealed(tmp_path, by_joblib([np.arange(10.0), value, np.zeros(3)])) == FOUND
    if isinstance(value, np.ndarray):
        for save in (np.save, np.savez, np.savez_compressed):
            buffer = io.BytesIO()
            save(buffer, value)
            assert sealed(tmp_path, buffer.getvalue()) == FOUND


def test_a_secret_in_a_column_of_arrow(tmp_path: Path) -> None:
    for dtype in ("string[pyarrow]", "large_string[pyarrow]"):
        column = pd.Series(["é", "of no interest", None, VALUE, "b"] * 3, dtype=dtype)
        for part in (column, column[1:], column[column.notna()]):
            assert sealed(tmp_path, pickle.dumps(pd.DataFrame({"n": range(len(part)), KEY: part.array}))) == FOUND
            content = pickle.dumps(pd.DataFrame({"note": part.array, KEY: range(len(part))}))
            assert isinstance(sealed(tmp_path, content), SealedFile)


@pytest.mark.parametrize(
    "value",
    [
        pd.Series({"a": 1, KEY: 3, "note": VALUE, "b": 2}),
        pd.DataFrame({KEY: [1.5, 2.5], "note": [VALUE, "b"], "user": ["me", "you"]}),
        pd.DataFrame({"note": [VALUE], KEY: [None], "user": ["me"]}, dtype=object),
        np.array([(1, VALUE, 0.5)], dtype=[(KEY, "i4"), ("note", "U20"), ("token", "f8")]),
    ],
    ids=["series", "frame", "frame of objects", "fields"],
)
@pytest.mark.parametrize("dump", [pickle.dumps, by_joblib], ids=["pickle", "joblib"])
def test_a_table_without_a_secret_under_its_key_passes(
    tmp_path: Path, value: Any, dump: Callable[[Any], bytes]
) -> None:
    assert isinstance(sealed(tmp_path, dump(value)), SealedFile)


def test_an_array_that_stands_at_many_places_is_taken_apart_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binary, "MOST_ITEMS", 20_000)  # 500 times 4000 would be more
    start = b"\x80\x02cnumpy\ndtype\nX\x02\0\0\0S1\x89\x88\x87Rq\0B" + (4000).to_bytes(4, "little")
    content = start + b"ab" * 2000 + b"q\1(" + b"h\0h\1\x86" * 500 + b"t."
    assert isinstance(sealed(tmp_path, content), SealedFile)


def test_a_table_that_is_made_of_another_ones_parts_is_bounded(tmp_path: Path) -> None:
    index = b"(I1\n(I4\ntNN(l" + b"I1\na" * 4000 + b"tp1\n"  # version, shape, dtype, order, items
    state = b"((l(dS'0.14.1'\n(dS'axes'\n(lg1\nasS'blocks'\n(lsst"
    manager = b"(cpandas.core.internals.managers\nSingleBlockManager\no" + state + b"b"
    assert isinstance(sealed(tmp_path, index + manager * 30 + b"."), SealedFile)
    assert sealed(tmp_path, index + manager * 3000 + b".") == Withheld("unscanned")


def test_the_name_of_a_key_is_bounded_and_all_of_the_key_is_looked_at(tmp_path: Path) -> None:
    long = tuple(f"part {number}" for number in range(5000))
    assert len(pickled.name_of(long, 0)) <= 256
    assert len(pickled.name_of(("x" * 4000, KEY), 0)) <= 256
    for key in ((TEXT, *long), (*long, TEXT), ("x" * 300, TEXT, *long)):
        assert sealed(tmp_path, pickle.dumps({key: 1, "a": 2})) == FOUND
    assert sealed(tmp_path, pickle.dumps({(*long, KEY): VALUE})) == FOUND
    assert isinstance(sealed(tmp_path, pickle.dumps({long: 1, "a": [long, {long: 2}]})), SealedFile)


@pytest.mark.parametrize("first", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("second", range(pickle.HIGHEST_PROTOCOL + 1))
def test_what_follows_a_pickle_hides_no_secret(tmp_path: Path, first: int, second: int) -> None:
    secret, clean = pickle.dumps({KEY: [VALUE]}, first), pickle.dumps({"a": ["words"]}, first)
    more = pickle.dumps({KEY: [VALUE]}, second)
    for content in (secret + b"\xff junk \0", secret + b"\xff" * 5000, secret + b"a line\n", clean + more):
        result = sealed(tmp_path, content)
        assert isinstance(result, Withheld)
        assert result.rule.startswith("key-")
    if second >= 2:
        for junk in (b"\xff junk \0", b"(a", b"\xff" * 3_000_000, b"\x80\2\xff"):
            assert sealed(tmp_path, clean + junk + more) == FOUND
    assert isinstance(sealed(tmp_path, clean + b"\xff junk \0" + clean), SealedFile)


@pytest.mark.parametrize("text", ["Volume\n1020.5\n", "Values\n(a.\n", "(a) list.\nV.\n", "]]]]]].", "Ness.\n"])
def test_a_text_that_begins_as_old_pickles_do_is_masked(tmp_path: Path, text: str) -> None:
    result = sealed(tmp_path, f"{text}{TEXT}\n".encode())
    assert isinstance(result, SealedFile)
    assert result.text
