"""What a pickle would import, told without importing it; and what is written to hide it is found or admitted."""

from __future__ import annotations

import copyreg
import io
import os
import pickle
import pickletools
import struct
import tracemalloc
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from reticent_redact import pickle_imports

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


class Watching(pickle._Unpickler):  # type: ignore[name-defined,misc]  # the one in Python, which can be watched
    """Loads a pickle, and says what was looked up."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.names: set[str] = set()

    def find_class(self, module: str, name: str) -> Any:
        found = super().find_class(module, name)
        self.names.add(f"{module}.{name}")
        return found


def looked_up(content: bytes) -> list[str]:
    watching = Watching(io.BytesIO(content))
    watching.load()
    renamed = {"copy_reg": "copyreg", "__builtin__": "builtins"}
    parts = (name.partition(".") for name in watching.names)
    return sorted(f"{renamed.get(module, module)}.{name}" for module, _, name in parts)


def dumped(value: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    joblib.dump(value, file, **options)
    return file.getvalue()


class Runs:
    """Runs a command when it is loaded."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.system, ("exit 1",)


RUNS = f"{os.system.__module__}.system"

ARRAY = np.arange(1000.0)

VALUES: dict[str, Any] = {
    "plain": {"a": [1, 2.5, "text", b"bytes", None, True, (1,), {2}, frozenset({3})]},
    "containers": [OrderedDict(a=1), deque([1]), Path("place"), complex(1, 2)],
    "memoized names": [OrderedDict(), OrderedDict(), OrderedDict, deque, deque(), "collections", "OrderedDict"],
    "arrays": [ARRAY, ARRAY.astype("U"), np.array([{"a": 1}, "b"], dtype=object), np.float32(1), ARRAY.dtype],
    "fields": np.zeros(5, dtype=[("a", "f4"), ("b", "U3"), ("c", "O"), ("d", "f4", (2, 2)), ("e", "M8[ns]")]),
    "table": pd.DataFrame({"a": [1, 2], "b": ["x", "y"], "c": pd.to_datetime(["2026-01-01", "2026-01-02"])}),
    "regression": LogisticRegression().fit(ARRAY[:10, None], [0, 1] * 5),
    "forest": make_pipeline(StandardScaler(), RandomForestClassifier(5)).fit(ARRAY[:20, None], [0, 1] * 10),
    "texts": TfidfVectorizer().fit(["some words of a text", "and others"]),
    "command": [1, Runs(), 2],
}
LOADED = [name for name in VALUES if name != "command"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("kind", LOADED)
def test_the_names_that_pickle_looks_up(kind: str, protocol: int) -> None:
    content = pickle.dumps(VALUES[kind], protocol)
    assert pickle_imports(content) == looked_up(content)
    assert pickle_imports(pickletools.optimize(content)) == looked_up(content)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_nothing_is_executed(protocol: int) -> None:
    assert pickle_imports(pickle.dumps(VALUES["command"], protocol)) == [RUNS]


@pytest.mark.parametrize("kind", VALUES)
def test_a_file_of_joblib(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    names = pickle_imports(dumped(VALUES[kind]))
    assert "?" not in names
    if kind == "command":
        assert names == [RUNS]
        return
    seen = set()
    find_class = pickle._Unpickler.find_class  # type: ignore[attr-defined]

    def watched(self: Any, module: str, name: str) -> Any:
        seen.add(f"{module}.{name}")
        return find_class(self, module, name)

    monkeypatch.setattr(pickle._Unpickler, "find_class", watched)  # type: ignore[attr-defined]
    joblib.load(io.BytesIO(dumped(VALUES[kind])))
    assert seen.issubset(names)


def test_what_stands_behind_the_arrays_of_joblib() -> None:
    names = pickle_imports(dumped([ARRAY, VALUES["fields"], VALUES["fields"][:2], VALUES["arrays"], Runs(), ARRAY]))
    assert RUNS in names
    assert "?" not in names


def test_several_pickles_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "several.pkl"
    file.write_bytes(b"".join(pickle.dumps(value, 2 + at) for at, value in enumerate((deque(), OrderedDict(), Runs()))))
    with file.open("rb") as opened:
        assert pickle_imports(opened) == sorted(["collections.OrderedDict", "collections.deque", RUNS])


def test_functions_by_value() -> None:
    offset = ARRAY

    def added(value: Any) -> Any:
        return np.add(value, offset)

    content = cloudpickle.dumps(added)
    assert "cloudpickle.cloudpickle._make_function" in pickle_imports(content)
    assert pickle_imports(content) == looked_up(content)


def test_the_names_of_python_2() -> None:
    assert pickle_imports(b"c__builtin__\neval\n(S'1'\ntR.") == ["builtins.eval"]
    assert pickle_imports(b"c__builtin__\nxrange\n.") == ["builtins.range"]
    assert pickle_imports(b"(S'1'\ni__builtin__\neval\n.") == ["builtins.eval"]
    assert pickle_imports(b"\x80\x04c__builtin__\neval\n.") == ["__builtin__.eval"]


@pytest.fixture
def extension() -> Iterator[int]:
    copyreg.add_extension("collections", "deque", 0xF1F1)
    yield 0xF1F1
    copyreg.remove_extension("collections", "deque", 0xF1F1)


def test_the_code_of_an_extension(extension: int) -> None:
    content = pickle.dumps(deque, 2)
    assert content[2:3] == pickle.EXT2
    assert pickle_imports(content) == ["collections.deque"]
    assert pickle_imports(pickle.EXT2 + struct.pack("<H", extension + 1) + b".") == ["?"]


def short(text: str) -> bytes:
    return pickle.SHORT_BINUNICODE + bytes([len(text)]) + text.encode()


SYSTEM = short("os") + short("system") + b"\x93"
CLASS = short("joblib.numpy_pickle") + short("NumpyArrayWrapper") + b"\x93"
HIDDEN = SYSTEM + b"."
PLAIN = pickle.dumps(deque())


def wrapped(content: bytes, behind: bytes) -> bytes:
    """A file of joblib with an array of these bytes."""
    whole = dumped(np.frombuffer(content, dtype=np.uint8))
    return whole[: whole.rindex(content) + len(content)] + behind


HOSTILE: dict[str, tuple[bytes, str]] = {
    "no beginning": (HIDDEN, "os.system"),
    "behind a pickle, without a beginning": (PLAIN + HIDDEN, "os.system"),
    "names from the memo": (short("os") + b"\x94" + short("system") + b"\x940" + b"0h\x00h\x01\x93.", "os.system"),
    "names in octal": (b"S'\\557s'\nS'system'\n\x93.", "os.system"),
    "names from numbers": (b"p0\nc" + b"os\nsystem\n.", "?"),
    "a name that is computed": (short("os") + b"cbuiltins\nstr\n)R\x93.", "?"),
    "a name that is no text": (short("os") + short("a\ud800".encode("utf-8", "replace").decode()) + b"K\x01\x93.", "?"),
    "a long name": (b"X" + struct.pack("<I", 5000) + b"o" * 5000 + short("system") + b"\x93.", "?"),
    "a damaged name": (b"\x8c\x02o\xff" + short("system") + b"\x93.", "?"),
    "in the bytes of an array": (wrapped(HIDDEN, b"."), "joblib.numpy_pickle.NumpyArrayWrapper"),
    "behind an array": (wrapped(b"numbers!", HIDDEN), "os.system"),
    "cut off": (SYSTEM, "os.system"),
    "a frame that hides a second pickle": (
        b"\x95\x04" + b"\0" * 7 + b"N.\x8c" + bytes([len(HIDDEN)]) + HIDDEN + b".",
        "?",
    ),
    "an array that is made otherwise": (CLASS + short("x") + b"\x85R.", "?"),
    "an array by another name": (short("joblib") + short("numpy_pickle.NumpyArrayWrapper") + b"\x93)\x81.", "?"),
    "arrays in other files": (short("joblib.numpy_pickle") + short("NDArrayWrapper") + b"\x93)\x81.", "?"),
}


@pytest.mark.filterwarnings("ignore:invalid octal escape")  # as `pickle` warns
@pytest.mark.parametrize("kind", HOSTILE)
def test_what_is_made_to_be_hidden(kind: str) -> None:
    content, expected = HOSTILE[kind]
    assert expected in pickle_imports(content)


def state(**changed: bytes) -> bytes:
    """An array's state as joblib writes it, with some of it changed; numbers of 8 bytes, eight of them."""
    dtype = b"cnumpy\ndtype\n" + short("f8") + b"\x89\x88\x87R(K\x03" + short("<") + b"NNNJ" + b"\xff" * 4
    dtype += b"J" + b"\xff" * 4 + b"K\x00tb"
    parts = {
        "subclass": b"cnumpy\nndarray\n",
        "shape": b"K\x08\x85",
        "order": short("C"),
        "dtype": dtype,
        "allow_mmap": b"\x88",
        "numpy_array_alignment_bytes": b"K\x10",
    } | changed
    return b"}(" + b"".join(short(name) + value for name, value in parts.items()) + b"ub"


def by_joblib(content: bytes) -> bytes:
    return b"\x80\x04" + CLASS + b"\x94)\x81\x94" + content


def test_an_array_as_joblib_writes_it() -> None:
    content = by_joblib(state()) + b"\x01\xff" + ARRAY[:8].tobytes() + b"."
    assert list(joblib.load(io.BytesIO(content))) == list(range(8))
    assert "?" not in pickle_imports(content)


CHANGED = {
    "no alignment, says None": state(numpy_array_alignment_bytes=b"N"),
    "another way to read": state(read=b"cbuiltins\nid\n"),
    "objects in numbers": state(
        dtype=b"cnumpy\ndtype\n"
        + short("O8")
        + b"\x89\x88\x87R(K\x03"
        + short("|")
        + b"NNNJ"
        + b"\xff" * 4
        + b"J"
        + b"\xff" * 4
        + b"K\x00tb"
    ),
    "a size of its own": state(
        dtype=b"cnumpy\ndtype\n" + short("V8") + b"\x89\x88\x87R(K\x03" + short("|") + b"NNNK\x40" + b"K\x01K\x00tb"
    ),
    "a computed dtype": state(dtype=b"cnumpy\nfloat64\n"),
    "a second array of one wrapper": state() + b"\x01\xff" + ARRAY[:8].tobytes() + b"0h\x01" + state(),
}


@pytest.mark.parametrize("kind", CHANGED)
def test_an_array_as_joblib_does_not_write_it(kind: str) -> None:
    assert "?" in pickle_imports(by_joblib(CHANGED[kind]) + b"\x01\xff" + ARRAY[:8].tobytes() + b".")


def test_what_plain_pickle_would_read_in_the_bytes_of_an_array() -> None:
    unpadded = state(shape=b"K" + bytes([len(HIDDEN)]) + b"\x85")
    unpadded = unpadded.replace(short("numpy_array_alignment_bytes") + b"K\x10", b"").replace(short("f8"), short("u1"))
    content = by_joblib(unpadded) + HIDDEN + b"."
    assert joblib.load(io.BytesIO(content)).tobytes() == HIDDEN
    assert "os.system" in pickle_imports(content)


@given(st.data())
def test_damaged_input_is_admitted(data: st.DataObject) -> None:
    content = bytearray(dumped([ARRAY[:3], Runs(), OrderedDict(a=deque())]))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(content[: data.draw(st.integers(0, len(content)))])
    assert pickle_imports(cut) == sorted(set(pickle_imports(cut)))


@given(st.binary())
def test_any_bytes(content: bytes) -> None:
    assert isinstance(pickle_imports(content), list)


@pytest.mark.parametrize("content", [b"", b".", b"text", PLAIN[:-1], PLAIN + b"rest", b"\x80\x04", b"PK\x03\x04"])
def test_what_is_no_pickle(content: bytes) -> None:
    assert "?" in pickle_imports(content)


def test_a_file_that_cannot_be_read() -> None:
    file = io.BytesIO(PLAIN)
    file.close()
    assert pickle_imports(file) == ["?"]


def test_a_large_pickle_is_not_held_in_memory(tmp_path: Path) -> None:
    file = tmp_path / "large.pkl"
    joblib.dump([np.zeros(30_000_000), bytes(100_000_000), "text" * 10_000_000, Runs()], file)
    with file.open("rb") as opened:
        tracemalloc.start()
        names = pickle_imports(opened)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert RUNS in names
    assert "?" not in names
    assert peak < 8_000_000
