"""Texts in buffers of Arrow, where nothing stands between them: in files, in streams and in pickles of pandas' tables."""

from __future__ import annotations

import io
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pytest

from reticent_redact import Redactor, SealedFile, Withheld, arrow

TOKEN = "AKIA" + "Q3EGRYZ7W2" + "TN5KHD"
FOUND, UNSCANNED = Withheld("aws-access-key-id"), Withheld("unscanned")
TEXTS = ["red", TOKEN, "blue", None, "green"]
LONG = [f"colour{number}" for number in range(2000)]
ARRAYS = {
    "texts": pyarrow.array(TEXTS),
    "large": pyarrow.array(TEXTS, pyarrow.large_string()),
    "bytes": pyarrow.array(TEXTS, pyarrow.binary()),
    "categories": pyarrow.array(TEXTS).dictionary_encode(),
    "lists": pyarrow.array([[text] for text in TEXTS]),
    "many": pyarrow.array(LONG + TEXTS),
    "a part": pyarrow.array(TEXTS * 2)[3:],
}


def sealed(directory: Path, content: bytes) -> SealedFile | Withheld:
    (directory / "source").write_bytes(content)
    return Redactor().seal_file(directory / "source", directory / "target", name="data.bin")


def written(table: pyarrow.Table, new: Any = pyarrow.ipc.new_file) -> bytes:
    buffer = io.BytesIO()
    with new(buffer, table.schema) as writer:
        writer.write_table(table)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ARRAYS)
@pytest.mark.parametrize("new", [pyarrow.ipc.new_file, pyarrow.ipc.new_stream])
def test_a_file_and_a_stream(tmp_path: Path, kind: str, new: Any) -> None:
    array = ARRAYS[kind]
    assert sealed(tmp_path, written(pyarrow.table({"n": range(len(array)), "note": array}), new)) == FOUND


@pytest.mark.parametrize("kind", ARRAYS)
@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_an_array_in_a_pickle(tmp_path: Path, kind: str, protocol: int) -> None:
    assert sealed(tmp_path, pickle.dumps(ARRAYS[kind], protocol)) == FOUND


@pytest.mark.parametrize("texts", [["red", TOKEN, "blue"], [*LONG, TOKEN, "blue"]], ids=["few", "many"])
@pytest.mark.parametrize("dtype", ["string[pyarrow]", "large_string[pyarrow]"])
def test_a_table_of_pandas(tmp_path: Path, texts: list[str], dtype: str) -> None:
    index = pd.Index(texts, dtype=dtype)
    assert sealed(tmp_path, pickle.dumps(pd.DataFrame({"n": range(len(texts))}, index=index))) == FOUND
    assert sealed(tmp_path, pickle.dumps(pd.Series(pd.Categorical(texts, categories=index)))) == FOUND
    assert sealed(tmp_path, pickle.dumps(pd.Series(texts, dtype=dtype))) == FOUND


def test_what_is_clean_stays(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).normal(size=100_000)
    table = pyarrow.table({"n": numbers, "i": range(len(numbers)), "note": [f"word{n}" for n in range(len(numbers))]})
    for content in (written(table), written(table, pyarrow.ipc.new_stream), pickle.dumps(table)):
        assert isinstance(sealed(tmp_path, content), SealedFile)


def test_a_damaged_file_is_withheld(tmp_path: Path) -> None:
    content = written(pyarrow.table({"note": ["red", "blue"]}))
    assert isinstance(sealed(tmp_path, content), SealedFile)
    assert sealed(tmp_path, content[:12] + b"\x10\xff\xff" + content[15:]) == UNSCANNED


def test_places_that_fit_no_buffer() -> None:
    def ends(*numbers: int, size: int = 9) -> list[int] | None:
        found = arrow.ends(struct.pack(f"<{len(numbers)}i", *numbers), 4, size)
        return None if found is None else list(found)

    assert ends(0, 3, 9) == [0, 3, 9]
    assert ends(0, 3, 9, 0, 0) == [0, 3, 9]  # padded
    assert ends(0, 3, 10) is ends(-1, 3) is ends(0, 3, 2, 9) is ends(0, 0) is ends(3) is ends() is None


@pytest.mark.parametrize("size", range(0, 400, 7))
def test_what_only_begins_as_a_stream(size: int) -> None:
    noise = np.random.default_rng(size).bytes(size)
    assert not arrow.begins(b"\xff\xff\xff\xff" + noise)
