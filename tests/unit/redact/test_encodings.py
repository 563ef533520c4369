"""Text that is no UTF-8: its secrets are masked, and it stays in its encoding."""

from __future__ import annotations

import codecs
import gzip
from pathlib import Path

import numpy as np
import pytest

from reticent_redact import Redactor, SealedFile, Withheld
from reticent_redact.scan import scan_file

PASSWORD = "tr0ub4dor" + "-and-3"
TEXT = f"# f\u00fcr d\u00e9mo\r\nDB_PASSWORD={PASSWORD}\r\nLR=0.1\r\n"
MASKED = TEXT.replace(PASSWORD, "[REDACTED:key-password]")

ENCODINGS = {
    "UTF-16 LE": (b"", "utf-16-le"),
    "UTF-16 BE": (b"", "utf-16-be"),
    "UTF-16 LE, marked": (codecs.BOM_UTF16_LE, "utf-16-le"),
    "UTF-16 BE, marked": (codecs.BOM_UTF16_BE, "utf-16-be"),
    "UTF-32 LE": (b"", "utf-32-le"),
    "UTF-32 BE": (b"", "utf-32-be"),
    "UTF-32 LE, marked": (codecs.BOM_UTF32_LE, "utf-32-le"),
    "UTF-8, marked": (codecs.BOM_UTF8, "utf-8"),
    "Latin-1": (b"", "latin-1"),
    "Windows-1252": ("\u20ac\u201c\n".encode("cp1252"), "cp1252"),
    "KOI8-R": ("\u043f\u0430\u0440\u043e\u043b\u044c\n".encode("koi8-r"), "latin-1"),
}


def sealed(directory: Path, content: bytes, redactor: Redactor | None = None) -> SealedFile | Withheld:
    (directory / "source").write_bytes(content)
    return (redactor or Redactor()).seal_file(directory / "source", directory / "target", name="settings.txt")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_secret_is_masked_and_the_encoding_kept(tmp_path: Path, encoding: str) -> None:
    before, codec = ENCODINGS[encoding]
    result = sealed(tmp_path, before + TEXT.encode(codec))
    assert isinstance(result, SealedFile)
    assert (result.text, result.redactions) == (True, 1)
    assert (tmp_path / "target").read_bytes() == before + MASKED.encode(codec)
    (place,) = scan_file(Redactor(), tmp_path / "source")
    assert (place.rule, place.line) == ("key-password", 2 + before.endswith(b"\n"))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_secret_in_a_packed_text(tmp_path: Path, encoding: str) -> None:
    before, codec = ENCODINGS[encoding]
    filler = "a line of no interest at all\n" * 60_000  # more than is looked at together
    content = before + (filler + TEXT).encode(codec)
    assert sealed(tmp_path, gzip.compress(content)) == Withheld("key-password")
    assert isinstance(sealed(tmp_path, gzip.compress(before + filler.encode(codec))), SealedFile)


def test_a_registered_value_in_another_encoding(tmp_path: Path) -> None:
    redactor = Redactor()
    redactor.register("sw\u00f6rdfish 7")
    for codec in ("utf-16", "latin-1"):
        assert isinstance(sealed(tmp_path, "it is sw\u00f6rdfish 7\n".encode(codec), redactor), SealedFile)
        assert (tmp_path / "target").read_bytes().decode(codec) == "it is [REDACTED:known-secret]\n"


@pytest.mark.parametrize(
    "content",
    [
        np.arange(40, 90, dtype=dtype).tobytes() + np.array([1, 2, 3], dtype).tobytes()
        for dtype in ("<i2", ">i2", "<i4", ">i4")
    ]
    + [
        np.linspace(0, 1, 500).tobytes(),
        codecs.BOM_UTF16_LE + b"\0\xd8a\0",
        b"\xff\x01",
    ],
)
def test_numbers_and_broken_text_are_no_text(tmp_path: Path, content: bytes) -> None:
    result = sealed(tmp_path, content)
    assert isinstance(result, SealedFile)
    assert not result.text
    assert (tmp_path / "target").read_bytes() == content


def test_a_text_that_cannot_be_written_back_is_withheld(tmp_path: Path) -> None:
    assert sealed(tmp_path, TEXT.encode("utf-16-le")[:-1]) == Withheld("key-password")


def test_texts_of_numpy(tmp_path: Path) -> None:
    assert sealed(tmp_path, np.array(["of no interest", f"password={PASSWORD}"]).tobytes()) == Withheld("key-password")
