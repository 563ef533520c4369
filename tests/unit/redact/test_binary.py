"""Files that are no text: pickles, archives, other encodings. Withheld if a secret is in them, else unchanged."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import random
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reticent_redact import Policy, Redactor, Report, SealedFile, Withheld, binary

GITHUB = "ghp_" + "a1B2" * 9


def sealed(directory: Path, content: bytes, redactor: Redactor | None = None) -> SealedFile | Withheld:
    (directory / "source").write_bytes(content)
    return (redactor or Redactor()).seal_file(directory / "source", directory / "target", name="model.bin")


class Estimator:
    def __init__(self, **params: Any) -> None:
        self.__dict__.update(params)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_secret_param_in_a_pickle(tmp_path: Path, protocol: int) -> None:
    def dump(**params: Any) -> bytes:
        return pickle.dumps({"steps": [("fit", params), b"\xff\0" * 50]}, protocol=protocol)

    assert sealed(tmp_path, dump(alpha=0.5, api_key="hunter2")) == Withheld("key-api-key")
    assert isinstance(sealed(tmp_path, dump(alpha=0.5, api_key=None, solver="lbfgs")), SealedFile)
    assert isinstance(sealed(tmp_path, dump(pad_token="[PAD]", token="mean")), SealedFile)
    assert (tmp_path / "target").read_bytes() == dump(pad_token="[PAD]", token="mean")


def test_a_secret_attribute_in_a_pickled_object(tmp_path: Path) -> None:
    assert sealed(tmp_path, pickle.dumps(Estimator(depth=3, password="hunter2"))) == Withheld("key-password")


def test_a_pickle_is_never_executed(tmp_path: Path) -> None:
    place = tmp_path / "executed"

    class Evil:
        def __reduce__(self) -> Any:
            return open, (str(place), "w")

    assert isinstance(sealed(tmp_path, pickle.dumps(Evil())), SealedFile)
    assert not place.exists()


@pytest.mark.parametrize("cut", [1, 7, 20])
def test_a_damaged_pickle_is_looked_at_as_far_as_it_goes(tmp_path: Path, cut: int) -> None:
    whole = pickle.dumps({"password": "hunter2", "list": [b"\xff"] * 5})
    assert sealed(tmp_path, whole[:-cut]) == Withheld("key-password")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_a_secret_in_an_archive(tmp_path: Path, method: int) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("weights", b"\0" * 10_000)
        archive.writestr("config.json", '{"note": "' + GITHUB + '"}')
    assert sealed(tmp_path, buffer.getvalue()) == Withheld("github-token")


def test_a_key_in_the_text_of_an_archive(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", '{"password": "hunter2"}')
        archive.writestr("data.pkl", pickle.dumps({"alpha": 1}))
    assert sealed(tmp_path, buffer.getvalue()) == Withheld("key-password")


def test_a_pickle_in_an_archive(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model/data.pkl", pickle.dumps({"password": "hunter2"}))
    assert sealed(tmp_path, buffer.getvalue()) == Withheld("key-password")


def test_a_clean_archive_is_unchanged(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("weights", struct.pack("1000d", *range(1000)))
    assert isinstance(sealed(tmp_path, buffer.getvalue()), SealedFile)
    assert (tmp_path / "target").read_bytes() == buffer.getvalue()


def test_an_archive_that_would_be_too_large_is_withheld(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binary, "MOST_UNPACKED", 1 << 20)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", b"\0" * (3 << 20))
    assert sealed(tmp_path, buffer.getvalue()) == Withheld("unscanned")
    assert sealed(tmp_path, gzip.compress(b"\0" * (3 << 20))) == Withheld("unscanned")


def test_a_secret_in_a_compressed_file(tmp_path: Path) -> None:
    assert sealed(tmp_path, gzip.compress(f"a\n{GITHUB}\n".encode())) == Withheld("github-token")
    assert sealed(tmp_path, gzip.compress(b"clean")[:-6]) == Withheld("unscanned")


def test_a_policy_may_let_a_binary_file_pass(tmp_path: Path) -> None:
    content = b"\0 " + GITHUB.encode()
    assert isinstance(sealed(tmp_path, content, Redactor(Policy(keep=("*:github-token",)))), SealedFile)
    assert sealed(tmp_path, content, Redactor(Policy(actions={"*": "drop"}))) == Withheld("github-token")


def zipped(data: bytes, name: str = "member") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("before", b"clean")
        archive.writestr(name, data)
    return buffer.getvalue()


def tarred(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in (("before", b"clean"), ("member", data)):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def picture(data: bytes) -> bytes:
    chunks = [(b"IHDR", b"\0" * 13), (b"zTXt", b"Comment\0\0" + zlib.compress(data)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(struct.pack(">I", len(c)) + kind + c + b"crc." for kind, c in chunks)


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zlib": zlib.compress,
    "zlib, fast": lambda data: zlib.compress(data, 1),
    "tar": tarred,
    "tar.gz": lambda data: gzip.compress(tarred(data)),
    "tar.xz": lambda data: lzma.compress(tarred(data)),
    "zip in zip": lambda data: zipped(zipped(data)),
    "gzip in zip": lambda data: zipped(gzip.compress(data)),
    "zip in tar.gz": lambda data: gzip.compress(tarred(zipped(data))),
    "PNG": picture,
}


@pytest.mark.parametrize("packed", PACKED)
def test_a_secret_in_what_is_packed(tmp_path: Path, packed: str) -> None:
    pack = PACKED[packed]
    filler = "a line of no interest\n" * 20_000
    assert sealed(tmp_path, pack(f"{filler}api_key: hunter2\n{filler}".encode())) == Withheld("key-api-key")
    if packed != "PNG":  # which has no pickle for a text
        assert sealed(tmp_path, pack(pickle.dumps({"a": 1, "password": "hunter2"}))) == Withheld("key-password")
    content = pack(filler.encode() + b"\xff")
    assert isinstance(sealed(tmp_path, content), SealedFile)
    assert (tmp_path / "target").read_bytes() == content
    is_cut_only_in_its_padding = packed in ("tar", "PNG")
    assert isinstance(sealed(tmp_path, content[:-9]), SealedFile if is_cut_only_in_its_padding else Withheld)


def test_what_is_packed_too_often_is_withheld(tmp_path: Path) -> None:
    content = b"clean"
    for depth in range(1, binary.DEEPEST + 2):
        content = zipped(content)
        expected = SealedFile if depth <= binary.DEEPEST else Withheld
        assert isinstance(sealed(tmp_path, content), expected), depth


def test_a_member_that_cannot_be_read_hides_no_other_one(tmp_path: Path) -> None:
    content = bytearray(zipped(b"api_key: hunter2"))
    at = content.index(b"before") + len(b"before")
    content[at : at + 3] = b"\xff\xff\xff"  # the data of the first one
    assert sealed(tmp_path, bytes(content)) == Withheld("key-api-key")


def test_a_bomb_in_something_packed_is_withheld(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binary, "MOST_UNPACKED", 1 << 20)
    bomb = b"\0" * (3 << 20)
    for content in (
        zipped(gzip.compress(bomb)),
        bz2.compress(bomb),
        lzma.compress(bomb),
        zlib.compress(bomb),
        picture(bomb),
    ):
        assert sealed(tmp_path, content) == Withheld("unscanned")


def test_a_pickle_of_protocol_0_is_no_text(tmp_path: Path) -> None:
    for content in ({"api_key": "hunter2"}, [GITHUB], ("x", {"password": "hunter2"})):
        assert isinstance(sealed(tmp_path, pickle.dumps(content, 0)), Withheld)
        assert isinstance(sealed(tmp_path, gzip.compress(pickle.dumps(content, 0))), Withheld)
    content = pickle.dumps({"alpha": 0.5, "solver": ["lbfgs"]}, 0)
    assert isinstance(sealed(tmp_path, content), SealedFile)
    assert (tmp_path / "target").read_bytes() == content


@pytest.mark.parametrize(
    "text", ["(a note)\n", "I.\n", "N.", "class A:\n    pass\n.", "Some text.", "dt.", "(((", "]\n"]
)
def test_text_that_begins_like_a_pickle_is_text(tmp_path: Path, text: str) -> None:
    result = sealed(tmp_path, f"{text} api_key=hunter2".encode())
    assert isinstance(result, SealedFile)
    assert result.text
    assert b"hunter2" not in (tmp_path / "target").read_bytes()


ASSIGNED = "pass" + "word=hunter22xyz"
NEARLY_TEXT = {
    "a NUL at the end": f"epoch\n{ASSIGNED}\n\0".encode(),
    "Latin-1 and a control byte": f"Gr\u00fc\u00dfe\n{ASSIGNED}\n".encode("latin-1") + b"\x01",
    "Latin-1, a bell and a DEL": f"Gr\u00fc\u00dfe\x07\x7f\n{ASSIGNED}\n".encode("latin-1"),
    "Cyrillic and a control byte": f"\u0432\u0445\u043e\u0434\n{ASSIGNED}\n\x02".encode("koi8-r"),
    "an environment": f"HOME=/root\0DB_{ASSIGNED}\0PATH=/bin\0".encode(),
    "a log behind NULs": b"\0" * 5000 + f"loss 0.5\n{ASSIGNED}\n".encode(),
    "a log in two encodings": b"loss 0.5\n" * 500 + f"{ASSIGNED}\n".encode("utf-16-le") + b"loss 0.5\n" * 500,
    "a text among bytes": random.Random(0).randbytes(5000) + f"with {ASSIGNED} set".encode() + b"\xff\0\xfe" * 500,
}


@pytest.mark.parametrize("kind", NEARLY_TEXT)
def test_a_key_in_what_is_text_but_for_some_bytes(tmp_path: Path, kind: str) -> None:
    content = NEARLY_TEXT[kind]
    for packed in (content, gzip.compress(tarred(content)), zipped(content)):
        assert sealed(tmp_path, packed) == Withheld("key-password")
    clean = content.replace(b"pass", b"past").replace(b"p\0a\0s\0s", b"p\0a\0s\0t")
    assert isinstance(sealed(tmp_path, clean), SealedFile)
    assert (tmp_path / "target").read_bytes() == clean


def test_bytes_that_look_like_a_key_by_chance_pass(tmp_path: Path) -> None:
    noise = random.Random(1)
    content = b"".join(noise.randbytes(300) + b"zpwd=" for _ in range(3000))
    assert isinstance(sealed(tmp_path, content), SealedFile)
    behind = content + f" {GITHUB} ".encode() + noise.randbytes(300)
    assert sealed(tmp_path, behind) == Withheld("github-token"), "also where a key was found by chance"


def test_short_keys_do_not_count_in_numbers(tmp_path: Path) -> None:
    numbers = b"\x0cbase_weights[$d#L\n\x05<\x9d\xa6\xe7\xbc\xe7Pw=\xbb\xfe\xc8=H;\xbd\xbc\x8a\xea\x83L\n\x00categories"
    assert isinstance(sealed(tmp_path, b"\x00size_leaf_vectorSL\n\x00" + numbers), SealedFile)


def test_a_key_of_a_connection_does_not_count_in_numbers(tmp_path: Path) -> None:
    numbers = bytes.fromhex("bbacff2dbd9dc2063b5077643db5c3513b43235bbdffa479bd7e30f7bc543f9dbc2a9a043dccdf50bd")
    assert b";Pwd=" in numbers
    assert isinstance(sealed(tmp_path, numbers), SealedFile)
    assert sealed(tmp_path, numbers + b"\0Server=db;Uid=sa;Pwd=hunter2;\0" + numbers) == Withheld("dsn-password")


@pytest.mark.parametrize(
    ("secret", "rule"),
    [
        ("ann@acme.com", "email"),
        ("Bob.K@acme.com", "email"),
        ("Server=db;Uid=sa;Pwd=x#9!@$k%Lm^2&~T*;", "dsn-password"),
        ("UID=sa;Pwd=a8#!kQ", "dsn-password"),
        ("Server=dbö;Uid=sa;Pwd=pässwört1", "dsn-password"),
    ],
)
def test_a_secret_that_stands_alone_among_numbers(secret: str, rule: str, tmp_path: Path) -> None:
    """As a column of a table has it: behind its length, and no text around."""
    numbers = np.random.default_rng(0).normal(size=2000).astype("float32").tobytes()
    packed = len(secret.encode()).to_bytes(4, "little") + secret.encode() + b"\x80"
    assert sealed(tmp_path, numbers + packed + numbers) == Withheld(rule)
    path = tmp_path / "people.parquet"
    pq.write_table(pa.table({"who": [secret, "x"], "score": [0.5, 1.5]}), path)
    assert sealed(tmp_path, path.read_bytes()) == Withheld(rule)


def test_an_address_with_capitals_within_words_may_be_numbers(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).normal(size=2000).astype("float32").tobytes()
    assert isinstance(sealed(tmp_path, numbers + b"\x80kW7@qZr4x.tV\x80" + numbers), SealedFile)


@pytest.mark.parametrize("looks_like", ["\n+14155552671\n", "\n4111 1111 1111 1111\n", "\nann@example.com\n"])
def test_a_row_of_small_numbers_looks_like_nothing(looks_like: str, tmp_path: Path) -> None:
    """As the leaves of a forest are stored: eight bytes each, of which seven are zero."""
    numbers = b"".join(ord(character).to_bytes(8, "little") for character in looks_like)
    (tmp_path / "model.bin").write_bytes(b"\x93\xff\xfe" * 40 + numbers + b"\x93\xff\xfe" * 40)
    sealed = Redactor().seal_file(tmp_path / "model.bin", tmp_path / "sealed", name="model.bin", report=Report())
    assert not isinstance(sealed, Withheld)
