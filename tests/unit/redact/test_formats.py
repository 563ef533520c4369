"""What files of known formats say under keys: pictures, PDF, numpy, XGBoost, safetensors, ONNX, SQLite."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import sqlite3
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
import xgboost
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from reticent_redact import Redactor, SealedFile, Withheld

KEY = "pass" + "word"
VALUE = "tr0ub4dor" + "-and-3"
TEXT = f"{KEY}={VALUE}"
FOUND, UNSCANNED = Withheld("key-password"), Withheld("unscanned")


def sealed(directory: Path, content: bytes) -> SealedFile | Withheld:
    (directory / "source").write_bytes(content)
    return Redactor().seal_file(directory / "source", directory / "target", name="data.bin")


def picture(kind: str, **more: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(buffer, kind, **more)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["tEXt", "zTXt", "iTXt", "iTXt, compressed"])
@pytest.mark.parametrize(("key", "text"), [(KEY, VALUE), ("Comment", TEXT)])
def test_texts_in_png(tmp_path: Path, kind: str, key: str, text: str) -> None:
    def info(key: str, text: str) -> PngInfo:
        made = PngInfo()
        if kind.startswith("iTXt"):
            made.add_itxt(key, text, zip="compressed" in kind)
        else:
            made.add_text(key, text, zip=kind == "zTXt")
        return made

    assert sealed(tmp_path, picture("PNG", pnginfo=info(key, text))) == FOUND
    assert isinstance(sealed(tmp_path, picture("PNG", pnginfo=info("Title", "a figure"))), SealedFile)


def test_texts_in_jpeg(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = TEXT  # ImageDescription
    of_windows = Image.Exif()
    of_windows[0x9C9C] = TEXT.encode("utf-16-le")  # XPComment
    for more in ({"exif": exif}, {"exif": of_windows}, {"comment": TEXT.encode()}):
        assert sealed(tmp_path, picture("JPEG", **more)) == FOUND
    assert sealed(tmp_path, picture("PNG", exif=exif)) == FOUND
    assert isinstance(sealed(tmp_path, picture("JPEG", comment=b"a figure")), SealedFile)


def figure(text: str = "loss", **metadata: str) -> bytes:
    from matplotlib.figure import Figure

    drawn, buffer = Figure(), io.BytesIO()
    drawn.subplots().set_title(text)
    with mpl.rc_context({"pdf.use14corefonts": True}):  # its texts stand in one piece
        drawn.savefig(buffer, format="pdf", metadata=metadata)
    return buffer.getvalue()


def test_texts_in_pdf(tmp_path: Path) -> None:
    assert isinstance(sealed(tmp_path, figure()), SealedFile)
    assert sealed(tmp_path, figure(TEXT)) == FOUND
    assert sealed(tmp_path, figure(Subject=TEXT)) == FOUND
    assert sealed(tmp_path, figure(Keywords=f"--{KEY} {VALUE}")) == FOUND


@pytest.mark.parametrize(
    "array",
    [
        np.array([{KEY: VALUE}], dtype=object),
        np.array([(1, {KEY: VALUE})], dtype=[("n", "i4"), ("o", "O")]),
        np.array(["of no interest", TEXT]),
        np.array([b"of no interest", TEXT.encode()]),
    ],
    ids=["objects", "records", "texts", "bytes"],
)
def test_arrays_of_numpy(tmp_path: Path, array: Any) -> None:
    for save in (np.save, np.savez, np.savez_compressed):
        buffer = io.BytesIO()
        save(buffer, array)
        assert sealed(tmp_path, buffer.getvalue()) == FOUND


def test_texts_that_fill_an_array_of_numpy(tmp_path: Path) -> None:
    """Nothing stands between them; one of a single letter each is read as one text."""
    token = "AKIA" + "Q3EGRYZ7W2" + "TN5KHD"
    texts = np.array(["x" * len(token), token, "y" * len(token)])
    for array in (
        texts,
        texts.astype("S"),
        texts.astype(f">U{len(token)}"),
        np.array(list(token)),
        np.array([*token], "S"),
    ):
        for save in (np.save, np.savez, np.savez_compressed):
            buffer = io.BytesIO()
            save(buffer, array)
            assert sealed(tmp_path, buffer.getvalue()) == Withheld("aws-access-key-id"), array


@pytest.mark.parametrize("kind", ["ubj", "json"])
def test_attributes_of_a_booster(tmp_path: Path, kind: str) -> None:
    x = np.random.default_rng(0).normal(size=(50, 4))
    booster = xgboost.train({"max_depth": 3}, xgboost.DMatrix(x, x[:, 0]), 3)
    clean = bytes(booster.save_raw(kind))
    result = sealed(tmp_path, clean)
    assert isinstance(result, SealedFile)
    assert (tmp_path / "target").read_bytes() == clean
    booster.set_attr(note="a first try", **{KEY: VALUE})
    content = bytes(booster.save_raw(kind))
    if kind == "ubj":
        assert sealed(tmp_path, content) == FOUND
        assert sealed(tmp_path, pickle.dumps({"model": booster})) == FOUND
        assert sealed(tmp_path, clean[:-40]) == UNSCANNED
    else:
        result = sealed(tmp_path, content)
        assert isinstance(result, SealedFile)
        assert VALUE.encode() not in (tmp_path / "target").read_bytes()


def ubj(value: Any) -> bytes:
    """Universal Binary JSON, containers written without their sizes."""
    if isinstance(value, dict):
        return (
            b"{" + b"".join(b"i" + bytes((len(key),)) + key.encode() + ubj(item) for key, item in value.items()) + b"}"
        )
    if isinstance(value, list):
        return b"[" + b"".join(map(ubj, value)) + b"]"
    if isinstance(value, str):
        return b"SU" + bytes((len(value),)) + value.encode()
    return b"d" + struct.pack(">f", value) if isinstance(value, float) else b"Z"


def test_every_form_of_ubj(tmp_path: Path) -> None:
    numbers = b"[$d#L" + struct.pack(">q", 5) + b"\0" * 20
    typed = b"{$S#i\1i\4nameU\3abc"
    counted = b"[#i\2TF"
    inner = b"".join((b"i\1a", numbers, b"i\1b", typed, b"i\1c", counted, b"i\1d", ubj([1.5, None, ["x"], {"y": "z"}])))
    for last, expected in (({KEY: [VALUE]}, FOUND), ({"note": VALUE}, None)):
        content = b"{" + b"L" + struct.pack(">q", 1) + b"e" + b"{" + inner + b"}" + b"i\1f" + ubj(last) + b"}"
        result = sealed(tmp_path, content)
        assert result == expected if expected is not None else isinstance(result, SealedFile)
        assert sealed(tmp_path, content[:-1]) in (FOUND, UNSCANNED)


@pytest.mark.parametrize("of", [b"Z", b"d", b"[", b"S"])
def test_a_count_of_ubj_that_is_not_true_ends(tmp_path: Path, of: bytes) -> None:
    content = b"{L" + struct.pack(">q", 1) + b"e[$" + of + b"#L" + struct.pack(">q", 1 << 62)
    assert sealed(tmp_path, content) == UNSCANNED


def test_metadata_of_safetensors(tmp_path: Path) -> None:
    def saved(metadata: dict[str, str]) -> bytes:
        header = {"__metadata__": metadata, "key": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
        text = json.dumps(header).encode()
        return struct.pack("<Q", len(text)) + text + b"\0" * 8

    assert sealed(tmp_path, saved({"format": "pt", KEY: VALUE})) == FOUND
    assert sealed(tmp_path, saved({"command": f"train --{KEY} {VALUE}"})) == FOUND
    assert isinstance(sealed(tmp_path, saved({"format": "pt"})), SealedFile)


def onnx_model(*nodes: Any, **fields: Any) -> Any:
    """A small model with weights."""
    import onnx

    helper, array = onnx.helper, onnx.TensorProto
    given, taken = (helper.make_tensor_value_info(name, array.FLOAT, ["batch", 3]) for name in "xy")
    weights = helper.make_tensor("w", array.FLOAT, [400_000], bytes(1_600_000), raw=True)
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"], name="first"), *nodes], "g", [given], [taken])
    graph.initializer.append(weights)
    model = helper.make_model(graph, producer_name="trainer", **fields)
    helper.set_model_props(model, {"stage": "a first try"})
    return model


def onnx_that_says(where: str) -> Any:
    """A model that says a secret there."""
    import onnx

    helper, array = onnx.helper, onnx.TensorProto
    labels = helper.make_node("LabelEncoder", ["x"], ["z"], keys_strings=["a", "b"], values_floats=[1.0] * 9000)
    model = onnx_model(labels, doc_string="a model")
    graph, node = model.graph, model.graph.node[0]
    if where == "nothing":
        return model
    if where == "props":
        helper.set_model_props(model, {"stage": "a first try", KEY: VALUE})
    elif where.endswith("doc"):
        owner = {"model": model, "graph": graph, "node": node, "input": graph.input[0], "tensor": graph.initializer[0]}
        owner[where.split()[0]].doc_string = f"deploy with {TEXT}"
    elif where.endswith("props"):
        owner = {"graph": graph, "node": node, "tensor": graph.initializer[0]}
        owner[where.split()[0]].metadata_props.add(key=KEY, value=VALUE)
    elif where == "producer":
        model.producer_name = TEXT
    elif where == "node name":
        node.name = TEXT
    elif where == "attribute":
        node.attribute.append(helper.make_attribute(KEY, VALUE))
    elif where == "attributes":
        node.attribute.append(helper.make_attribute(KEY, [VALUE, VALUE]))
    elif where == "file":
        node.attribute.append(helper.make_attribute("blob", gzip.compress(TEXT.encode())))
    elif where == "tensor":
        graph.initializer.append(helper.make_tensor(KEY, array.STRING, [2], ["x", VALUE.encode()]))
    elif where == "graph of a node":
        inner = helper.make_graph(
            [], "inner", [], [], initializer=[helper.make_tensor(KEY, array.STRING, [1], [VALUE])]
        )
        node.attribute.append(helper.make_attribute("then_branch", inner))
    elif where == "function":
        body = [helper.make_node("Identity", ["a"], ["b"], **{KEY: VALUE})]
        model.functions.append(helper.make_function("own", "f", ["a"], ["b"], body, [helper.make_opsetid("", 17)]))
    return model


@pytest.mark.parametrize(
    "where",
    [
        *("props", "graph props", "node props", "tensor props", "model doc", "graph doc", "node doc", "input doc"),
        *(
            "tensor doc",
            "producer",
            "node name",
            "attribute",
            "attributes",
            "file",
            "tensor",
            "graph of a node",
            "function",
        ),
    ],
)
def test_what_an_onnx_model_says(tmp_path: Path, where: str) -> None:
    assert sealed(tmp_path, onnx_that_says(where).SerializeToString()) == FOUND


def test_an_onnx_model_that_says_nothing_is_published_as_it_is(tmp_path: Path) -> None:
    clean = onnx_that_says("nothing").SerializeToString()
    assert isinstance(sealed(tmp_path, clean), SealedFile)
    assert (tmp_path / "target").read_bytes() == clean


def test_a_small_onnx_model_is_not_taken_for_a_text(tmp_path: Path) -> None:
    model = onnx_that_says("props")
    del model.graph.initializer[:]
    del model.graph.node[1:]
    content = model.SerializeToString()
    assert content.isascii()
    assert b"\0" not in content
    assert sealed(tmp_path, content) == FOUND


def field(number: int, content: bytes) -> bytes:
    """A field of protobuf that has a size."""
    size, written = len(content), b""
    while size > 127:
        written, size = written + bytes((size & 127 | 128,)), size >> 7
    return bytes((number << 3 | 2,)) + written + bytes((size,)) + content


def test_bytes_that_are_no_onnx_model_end(tmp_path: Path) -> None:
    deep = b""
    for _ in range(200):  # graphs of nodes of attributes of graphs
        deep = field(1, field(5, field(6, deep)))
    beginning, pair = (
        b"\x08\x07" + field(6, b"\0\xff\xfe"),
        field(14, field(1, KEY.encode()) + field(2, VALUE.encode())),
    )
    assert sealed(tmp_path, beginning + pair + field(7, b"")) == FOUND
    assert sealed(tmp_path, beginning + field(7, deep)) == UNSCANNED
    assert sealed(tmp_path, beginning + field(7, field(1, b"\x0a\x7fshort"))) == UNSCANNED
    assert sealed(tmp_path, beginning + field(7, b"\x0b")) == UNSCANNED
    assert sealed(tmp_path, beginning + field(7, b"\x80" * 30)) == UNSCANNED
    for other in (
        beginning + field(2, bytes(40)),
        beginning + field(7, bytes(90))[:-1],
        beginning + b"\x3a" + b"\xff" * 40,
    ):
        assert isinstance(sealed(tmp_path, other), SealedFile)  # nothing that ONNX opens


@pytest.mark.skipif(sys.version_info < (3, 11), reason="sqlite3 reads no database from memory")
@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_rows_of_a_database(tmp_path: Path, journal: str) -> None:
    def saved(*statements: str) -> bytes:
        path = tmp_path / "store.db"
        path.unlink(missing_ok=True)
        connection = sqlite3.connect(path)
        connection.execute(f"PRAGMA journal_mode = {journal}")
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.close()
        return path.read_bytes()

    clean = ["CREATE TABLE runs (id INTEGER, name TEXT)", "INSERT INTO runs VALUES (1, 'first'), (2, NULL)"]
    assert isinstance(sealed(tmp_path, saved(*clean)), SealedFile)
    by_column = (f'CREATE TABLE "us""ers" (name, {KEY})', f"INSERT INTO \"us\"\"ers\" VALUES ('me', '{VALUE}')")
    by_row = ("CREATE TABLE params (key, value)", f"INSERT INTO params VALUES ('{KEY}', '{VALUE}')")
    in_a_cell = ("CREATE TABLE notes (text)", f"INSERT INTO notes VALUES ('{TEXT}')")
    for statements in (by_column, by_row, in_a_cell):
        assert sealed(tmp_path, saved(*clean, *statements)) == FOUND
    assert sealed(tmp_path, saved(*clean)[:-5000]) == UNSCANNED


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("made", [np.array, lambda text: np.array([text]), lambda text: np.array(text, dtype=object)])
@pytest.mark.parametrize("text", [VALUE, VALUE.encode()], ids=["text", "bytes"])
def test_arrays_under_their_names(tmp_path: Path, save: Any, made: Any, text: Any) -> None:
    def saved(**arrays: Any) -> bytes:
        buffer = io.BytesIO()
        save(buffer, **arrays)
        return buffer.getvalue()

    assert sealed(tmp_path, saved(x=np.arange(3), **{KEY: made(text)})) == FOUND
    assert isinstance(sealed(tmp_path, saved(note=made(text), **{KEY: np.full(3000, 65, "u1")})), SealedFile)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="sqlite3 reads no database from memory")
def test_what_a_database_makes_of_little_is_bounded(tmp_path: Path) -> None:
    def saved(*statements: str) -> bytes:
        path = tmp_path / "store.db"
        path.unlink(missing_ok=True)
        connection = sqlite3.connect(path)
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.close()
        return path.read_bytes()

    many = "INSERT INTO t (a) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) SELECT i FROM n"
    computed = "CREATE TABLE t (a, b TEXT GENERATED ALWAYS AS (hex(zeroblob(20000000))))"
    assert sealed(tmp_path, saved(computed, many)) == UNSCANNED
    for size, expected in ((10, None), (20_000, UNSCANNED)):
        default = f"ALTER TABLE t ADD COLUMN c DEFAULT '{'x' * size}'"
        result = sealed(tmp_path, saved("CREATE TABLE t (a)", many, default))
        assert result == expected if expected is not None else isinstance(result, SealedFile)
    kept = "CREATE TABLE t (a, b TEXT GENERATED ALWAYS AS (a + 1) STORED)"
    assert isinstance(sealed(tmp_path, saved(kept, many)), SealedFile)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="sqlite3 reads no database from memory")
@pytest.mark.parametrize(
    "blob",
    [*(pickle.dumps({KEY: [VALUE]}, protocol) for protocol in range(6)), gzip.compress(TEXT.encode())],
    ids=[*(f"protocol {protocol}" for protocol in range(6)), "gzip"],  # gzip has the time in its bytes
)
def test_what_is_packed_in_a_database(tmp_path: Path, blob: bytes) -> None:
    path = tmp_path / "store.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (a, b)")
    connection.executemany("INSERT INTO t VALUES (?, ?)", [(1, bytes(100)), (2, blob)])
    connection.commit()
    connection.close()
    assert sealed(tmp_path, path.read_bytes()) == FOUND


def test_streams_of_a_pdf_that_have_no_end(tmp_path: Path) -> None:
    def stream(text: bytes) -> bytes:
        return b"stream\n" + zlib.compress(text)

    assert sealed(tmp_path, b"%PDF-1.4\n" + stream(TEXT.encode())) == FOUND
    whole = b"%PDF-1.4\n" + (stream(b"clean") + b"\nendstream\n") * 50
    assert isinstance(sealed(tmp_path, whole), SealedFile)
    assert sealed(tmp_path, whole + stream(TEXT.encode()) + b"\nendstream\n") == FOUND
    for content in (stream(b"clean") * 50, stream(b"clean") * 50 + b"endstream"):
        assert sealed(tmp_path, b"%PDF-1.4\n" + content) == UNSCANNED
