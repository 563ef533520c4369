"""The data sets of a training: known when it is over, and made by LightGBM no earlier than it would."""

from __future__ import annotations

import gc
import json
import sqlite3
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse

import reticent
from reticent_integrations.lightgbm import data as data_module

from .conftest import NAMES, PARAMS, make_data, make_rows

QUIET: dict[str, Any] = {"num_threads": 1, "verbose": -1}


def logged(root: Path) -> list[dict[str, Any]]:
    reticent.flush(60)
    with sqlite3.connect(root / "reticent.db") as database:
        rows = list(database.execute("SELECT name, digest, source, schema, profile FROM dataset ORDER BY time"))
        assert database.execute("SELECT message FROM warning").fetchall() == []
    return [
        {"name": name, "digest": digest, "source": source, "schema": json.loads(schema), "profile": json.loads(profile)}
        for name, digest, source, schema, profile in rows
    ]


class Rows(lightgbm.Sequence):
    batch_size = 20

    def __init__(self, rows: Any) -> None:
        self.rows = rows

    def __getitem__(self, index: Any) -> Any:
        return self.rows[index]

    def __len__(self) -> int:
        return len(self.rows)


KINDS: dict[str, Callable[[Any], Any]] = {
    "array": lambda X: X,
    "frame": lambda X: pd.DataFrame(X, columns=NAMES),
    "csr": scipy.sparse.csr_matrix,
    "csc": scipy.sparse.csc_matrix,
    "table": lambda X: pa.table(dict(zip(NAMES, X.T, strict=True))),
    "arrays": lambda X: [X[:30], X[30:]],
    "sequence": Rows,
}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_data(root: Path, autolog: None, kind: str) -> None:
    X, y = make_rows()
    lightgbm.train(QUIET, lightgbm.Dataset(KINDS[kind](X), y), 2)
    (found,) = logged(root)
    assert found["name"] == "train"
    assert found["schema"]["features"]["shape"] == [80, 4]
    assert (found["profile"]["features"]["rows"], found["profile"]["features"]["columns"]) == (80, 4)
    if kind in ("frame", "table"):
        assert [column["name"] for column in found["schema"]["features"]["columns"]] == NAMES


def test_a_file_is_the_source(root: Path, autolog: None, tmp_path: Path) -> None:
    X, y = make_rows()
    np.savetxt(tmp_path / "train.csv", np.column_stack([y, X]), delimiter=",")
    lightgbm.train(QUIET, lightgbm.Dataset(tmp_path / "train.csv"), 2)
    (found,) = logged(root)
    assert found["source"] == str(tmp_path / "train.csv")
    assert found["schema"]["features"]["shape"] == [80, 4]


def test_data_is_constructed_by_the_training_alone(root: Path, autolog: None, monkeypatch: pytest.MonkeyPatch) -> None:
    constructed = []
    construct = lightgbm.Dataset.construct

    def noted(self: Any) -> Any:
        if self._handle is None:
            constructed.append(self)
        return construct(self)

    def objective(predictions: Any, data: Any) -> Any:
        raise RuntimeError("before the first round ends")

    monkeypatch.setattr(lightgbm.Dataset, "construct", noted)
    monkeypatch.setattr(lightgbm.Booster, "__init__", lambda *_, **__: objective(None, None))
    with pytest.raises(RuntimeError, match="before the first round"):
        lightgbm.train(QUIET, make_data(), 2)
    assert constructed == []


@pytest.mark.parametrize("free_raw_data", [True, False])
def test_data_that_was_used_before_has_the_same_digest(root: Path, autolog: None, free_raw_data: bool) -> None:
    data = make_data(free_raw_data=free_raw_data)
    lightgbm.train(PARAMS, data, 1)
    assert (data.data is None) == free_raw_data
    lightgbm.train(PARAMS, data, 1)
    data.set_label(np.zeros(80))
    lightgbm.train(PARAMS, data, 1)
    lightgbm.train(PARAMS, make_data(seed=1), 1)
    first, again, other_labels, other_rows = [found["digest"] for found in logged(root)]
    assert first == again
    assert len({first, other_labels, other_rows}) == 3


def test_raw_data_is_freed_while_training_runs(root: Path, autolog: None) -> None:
    alive = []
    X, y = make_rows()
    reference = weakref.ref(X)
    data = lightgbm.Dataset(X, y)
    del X

    def look(env: Any) -> None:
        gc.collect()
        alive.append(reference() is not None)

    lightgbm.train(PARAMS, data, 1, callbacks=[look])
    assert alive == [False]


def test_labels_of_large_data_are_not_copied(root: Path, autolog: None, monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_data(params=QUIET).construct()
    monkeypatch.setattr(data_module, "MAX_LABELS", 10)
    monkeypatch.setattr(lightgbm.Dataset, "get_field", None)
    lightgbm.train(PARAMS, data, 1)
    (found,) = logged(root)
    assert found["schema"]["features"]["shape"] == [80, 4]


def test_subsets(root: Path, autolog: None) -> None:
    data = make_data(free_raw_data=False, params=QUIET)
    lightgbm.train(QUIET, data.subset(list(range(50))), 2, valid_sets=[data.subset(list(range(50, 80)))])
    train, valid = logged(root)
    assert train["profile"]["features"]["rows"] == 50
    assert valid["profile"]["features"]["rows"] == 30


def test_groups_are_part_of_the_data(root: Path, autolog: None) -> None:
    X, y = make_rows()
    for group in ([40, 40], [20, 60]):
        lightgbm.train({**QUIET, "objective": "lambdarank"}, lightgbm.Dataset(X, y, group=group), 1)
    one, other = logged(root)
    assert one["digest"] != other["digest"]
