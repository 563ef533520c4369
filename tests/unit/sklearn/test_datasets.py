"""Digests and profiles of data: bounded, stable, and without changing or consuming it."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sparse
from datasets import Dataset, DatasetDict

from reticent import datasets

KINDS = {
    "array": lambda: np.arange(60.0).reshape(20, 3),
    "frame": lambda: pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": pd.Categorical(["u", "v"])}),
    "frame of one type": lambda: pd.DataFrame(np.arange(12.0).reshape(4, 3), columns=["a", "b", "c"]),
    "frame with doubled names": lambda: pd.DataFrame([[1, "a"], [2, "b"]], columns=["x", "x"]),
    "series": lambda: pd.Series(["a", "b"]),
    "csr": lambda: sparse.csr_array(np.eye(5)),
    "coo": lambda: sparse.coo_array(np.eye(5)),
    "texts": lambda: ["one", "two"],
    "rows": lambda: [[1, 2.5], [3, 4.5]],
    "objects": lambda: np.array([{"a": 1}, {"b": 2}], dtype=object),
    "arrays by name": lambda: {"a": np.arange(3)},
    "many axes": lambda: np.zeros((2, 3, 4, 5)),
    "empty": lambda: np.zeros((0, 3)),
    "nothing known": lambda: object(),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_data_has_the_same_digest(kind):
    assert datasets.describe(KINDS[kind]()) == datasets.describe(KINDS[kind]())


def test_other_data_has_another_digest():
    digests = [datasets.describe(make()).digest for make in KINDS.values()]
    digests.append(datasets.describe(KINDS["array"]() + 1).digest)
    digests.append(datasets.describe(KINDS["frame"]().rename(columns={"a": "z"})).digest)
    digests.append(datasets.describe(KINDS["array"](), np.arange(20)).digest)
    assert len(set(digests)) == len(digests)


def test_the_digest_does_not_depend_on_the_process():
    code = "from reticent.datasets import describe; print(describe(['a', 'b', 'c'], [1.5, 2, 'x']).digest)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert found == datasets.describe(["a", "b", "c"], [1.5, 2, "x"]).digest


def test_form_and_classes():
    found = datasets.describe(KINDS["array"](), np.array([0] * 15 + [1] * 5))
    assert found.schema["features"] == {"type": "numpy.ndarray", "shape": [20, 3], "dtype": "float64"}
    assert found.profile["features"] == {"rows": 20, "columns": 3}
    assert found.profile["classes"] == {"0": 15, "1": 5}
    assert found.source == "memory (numpy.ndarray)"
    assert "classes" not in datasets.describe([1, 2], ["short", "a label cut short is sealed no more" * 3]).profile
    assert "classes" not in datasets.describe([1], [f"a text of its own {number}" for number in range(50)]).profile


def test_large_data_takes_little_time_and_sparse_data_stays_sparse():
    large = np.broadcast_to(np.arange(50.0), (20_000_000, 50))  # 8 GB, if anybody copied it
    wide = sparse.csr_array((1_000_000, 1_000_000))
    start = time.perf_counter()
    datasets.describe(large)
    datasets.describe(wide)
    assert time.perf_counter() - start < 2.0


def test_an_iterator_is_not_read():
    rows = iter([1, 2, 3])
    assert datasets.describe(rows).contents == {}
    assert datasets.contents(features=rows, targets=None) == {}
    assert list(rows) == [1, 2, 3]


def test_content_is_the_same_whatever_holds_it_and_other_than_that_of_another_form():
    numbers = np.arange(6)
    first = datasets.contents(features=KINDS["array"](), targets=numbers)
    assert first == datasets.describe(KINDS["array"](), pd.Series(numbers, name="label")).contents
    others = [numbers + 1, numbers.reshape(2, 3), numbers.astype(float), numbers[:5]]
    columns = [pd.DataFrame({"a": numbers}), numbers.reshape(6, 1)]
    assert {first["targets"]} == {datasets.contents(targets=column)["targets"] for column in columns}
    assert first["targets"] not in [datasets.contents(targets=other)["targets"] for other in others]
    zeros = [np.zeros(6), np.zeros(6, dtype=int), np.zeros((2, 3))]
    assert len({datasets.contents(targets=part)["targets"] for part in zeros}) == 3


def test_no_framework_is_imported():
    code = "import sys, reticent.datasets; assert not {'numpy', 'pandas', 'scipy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def rows_of_the_datasets_library(read):
    """A data set that notes when its rows are read: they are transformed then."""

    def noted(batch):
        read.append(batch)
        return batch

    rows = Dataset.from_dict({"text": [f"text {at}" for at in range(100)], "label": [0, 1] * 50}, split="train")
    return rows.with_transform(noted)


def test_a_data_set_of_the_datasets_library_is_not_read():
    read = []
    rows = rows_of_the_datasets_library(read)
    found = datasets.describe(rows, rows["label"])
    columns = [{"name": "text", "type": "string"}, {"name": "label", "type": "int64"}]
    known = {"fingerprint": rows._fingerprint, "columns": columns, "split": "train"}
    assert found.schema["features"] == {"type": "datasets.Dataset", "shape": [100, 2], **known}
    assert found.schema["targets"]["fingerprint"] == f"{rows._fingerprint} label"
    assert found.profile == {"features": {"rows": 100, "columns": 2}, "targets": {"rows": 100}}
    assert datasets.contents(features=rows, targets=rows["label"]) == found.contents == {}
    whole = [rows, rows["text"], rows["label"], rows.select([1, 2]), DatasetDict(train=rows)]
    assert len({datasets.describe(data).digest for data in whole}) == len(whole)
    assert read == []


def test_a_stream_of_the_datasets_library_is_not_read():
    read = []
    stream = Dataset.from_dict({"text": ["one", "two"]}).to_iterable_dataset().map(read.append)
    assert datasets.describe(stream).schema == {"features": {"type": "datasets.IterableDataset"}}
    assert datasets.describe(stream["text"]).profile == {"features": {}}
    assert read == []


def test_some_rows_of_the_datasets_library():
    read = []
    rows = rows_of_the_datasets_library(read)
    some = datasets.take(rows, 10, 50)
    assert (type(some), len(some), read) == (Dataset, 5, [])
    assert some["text"][:] == datasets.take(rows["text"], 10, 50) == [f"text {at}" for at in range(0, 50, 10)]
