"""The search for planted secrets finds them in every form: it is what all tests of leaks believe."""

from __future__ import annotations

import base64
import bz2
import contextlib
import gzip
import html
import io
import json
import lzma
import sqlite3
import struct
import tarfile
import urllib.parse
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from reticent.testing.canary import CANARY, find

FORMS: dict[str, Callable[[str], bytes]] = {
    "UTF-8": str.encode,
    "UTF-16": lambda secret: secret.encode("utf-16"),
    "UTF-16, big-endian": lambda secret: secret.encode("utf-16-be"),
    "UTF-32": lambda secret: secret.encode("utf-32"),
    "Latin-1": lambda secret: secret.encode("latin-1"),
    "JSON": lambda secret: json.dumps({"a": secret}).encode(),
    "JSON, not ASCII": lambda secret: json.dumps([secret], ensure_ascii=False).encode(),
    "JSON in JSON": lambda secret: json.dumps(json.dumps([secret])).encode(),
    "URL": lambda secret: urllib.parse.quote(secret).encode(),
    "URL, slashes too": lambda secret: urllib.parse.quote(secret, safe="").encode(),
    "URL, plus for a space": lambda secret: urllib.parse.urlencode({"a": secret}).encode(),
    "URL, small letters": lambda secret: urllib.parse.quote(secret, safe="").replace("%C3%A9", "%c3%a9").encode(),
    "base64": lambda secret: base64.b64encode(secret.encode()),
    "base64 after one": lambda secret: base64.b64encode(f":{secret}\n".encode()),
    "base64 after two": lambda secret: base64.b64encode(f"u:{secret}!!".encode()),
    "base64 of URLs": lambda secret: base64.urlsafe_b64encode(f"user:{secret}".encode()),
    "HTML": lambda secret: html.escape(secret).encode(),
    "HTML, without quotes": lambda secret: html.escape(secret, quote=False).encode(),
    "HTML, by number": lambda secret: html.escape(secret).replace("&quot;", "&#34;").encode(),
    "repr": lambda secret: repr([secret]).encode(),
    "ASCII": lambda secret: ascii(secret).encode(),
    "repr of bytes": lambda secret: repr(secret.encode()).encode(),
    "its end": lambda secret: secret[-15:].encode(),
    "its middle": lambda secret: secret[3:18].encode(),
}


def zipped(data: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("member", data)
    return buffer.getvalue()


def tarred(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        member = tarfile.TarInfo("member")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def picture(data: bytes) -> bytes:
    chunk = b"Comment\0\0" + zlib.compress(data)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", len(chunk)) + b"zTXt" + chunk + b"crc!"


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "zip": zipped,
    "zip, stored": lambda data: zipped(data, zipfile.ZIP_STORED),
    "zip in zip": lambda data: zipped(zipped(data)),
    "gzip": gzip.compress,
    "tar.gz": tarred,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "PNG": picture,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("secret", CANARY.all())
def test_it_is_found_in_every_form(secret: str, form: str, tmp_path: Path) -> None:
    content = b"before " + FORMS[form](secret) + b" after"
    assert find(secret, texts=["", content])
    assert not find(secret, tmp_path)
    (tmp_path / "file").write_bytes(content)
    assert find(secret, tmp_path)[0].startswith("file: ")
    assert [other for other in CANARY.all() if other != secret and find(other, tmp_path)] == []


@pytest.mark.parametrize("packed", PACKED)
@pytest.mark.parametrize("form", ["UTF-8", "JSON", "base64"])
def test_it_is_found_in_what_is_compressed(packed: str, form: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(PACKED[packed](b"\0 " * 50 + FORMS[form](CANARY.known) + b"\n" * 50))
    assert find(CANARY.known, tmp_path)


@pytest.mark.parametrize("length", [0, 10_000], ids=["in a page", "across pages"])
def test_it_is_found_in_a_database(tmp_path: Path, length: int) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "store.db")) as database:
        database.execute("PRAGMA page_size = 512")
        database.execute("CREATE TABLE t (a TEXT, b BLOB)")
        database.execute("INSERT INTO t VALUES (?, ?)", ("x" * length + CANARY.known, None))
        database.execute("INSERT INTO t VALUES (?, ?)", (None, b"x" * length + CANARY.shaped.encode()))
        database.commit()
    assert any("rows of store.db" in place for place in find(CANARY.known, tmp_path))
    assert find(CANARY.shaped, tmp_path)
    assert not find(CANARY.keyed, tmp_path)


def test_it_is_found_in_names_and_passed_over_in_quarantine(tmp_path: Path) -> None:
    (tmp_path / "quarantine").mkdir()
    (tmp_path / "quarantine" / CANARY.shaped).write_text(CANARY.shaped)
    assert find(CANARY.shaped, tmp_path) == []
    (tmp_path / f"a-{CANARY.keyed}.txt").write_text("")
    assert find(CANARY.keyed, tmp_path)
