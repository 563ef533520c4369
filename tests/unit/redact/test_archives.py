"""Archives and compressed files that cannot be looked at completely are withheld; what their headers say is looked at."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard

from reticent_redact import Policy, Redactor, SealedFile, Withheld

KEY = "pass" + "word"
VALUE = "tr0ub4dor" + "-and-3"
TEXT = f"{KEY}={VALUE}"
FOUND, UNSCANNED = Withheld("key-password"), Withheld("unscanned")
LINES = "".join(f"line {number} of no interest\n" for number in range(5000)).encode()


def sealed(directory: Path, content: bytes) -> SealedFile | Withheld:
    (directory / "source").write_bytes(content)
    return Redactor().seal_file(directory / "source", directory / "target", name="data.bin")


def zipped(
    data: bytes = LINES, name: str = "member", comment: bytes = b"", compression: int = zipfile.ZIP_DEFLATED
) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr(name, data)
        archive.comment = comment
    return buffer.getvalue()


def tarred(name: str = "member", data: bytes = LINES, **more: Any) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(data)
        for attribute, value in more.items():
            setattr(member, attribute, value)
        archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


COMPRESSED = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
    "zlib": zlib.compress,
    "zip": zipped,
}


@pytest.mark.parametrize("kind", COMPRESSED)
def test_a_compressed_file_that_is_cut_off_or_damaged_is_withheld(tmp_path: Path, kind: str) -> None:
    compress = COMPRESSED[kind]
    whole = compress(LINES)
    assert isinstance(sealed(tmp_path, whole), SealedFile)
    assert sealed(tmp_path, compress(LINES + TEXT.encode())) == FOUND
    for size in (len(whole) - 1, len(whole) // 2, 60):
        assert sealed(tmp_path, whole[:size]) == UNSCANNED, size
    assert sealed(tmp_path, gzip.compress(whole[: len(whole) // 2])) == UNSCANNED, "in another one"


def test_content_that_is_not_what_its_checksum_says_is_withheld(tmp_path: Path) -> None:
    whole = bytearray(gzip.compress(LINES))
    whole[-8] ^= 1
    assert sealed(tmp_path, bytes(whole)) == UNSCANNED
    whole = bytearray(zipped())
    at = whole.index(b"PK\1\2") + 16  # the checksum in the directory
    whole[at] ^= 1
    assert sealed(tmp_path, bytes(whole)) == UNSCANNED


def test_a_zip_file_without_its_directory_is_withheld(tmp_path: Path) -> None:
    whole = zipped(TEXT.encode())
    assert sealed(tmp_path, whole[: whole.index(b"PK\1\2")]) == UNSCANNED


@pytest.mark.parametrize("change", ["encrypted", "unknown method"])
def test_a_member_that_cannot_be_read_withholds_the_archive(tmp_path: Path, change: str) -> None:
    whole = bytearray(zipped(TEXT.encode()))
    for at in (6, whole.index(b"PK\1\2") + 8):  # the flags in both headers, and the method behind them
        if change == "encrypted":
            whole[at] |= 1
        else:
            whole[at + 2] = 9
    assert sealed(tmp_path, bytes(whole)) == UNSCANNED


def test_a_tar_file_that_is_cut_off_or_damaged_is_withheld(tmp_path: Path) -> None:
    whole = tarred()
    assert isinstance(sealed(tmp_path, whole), SealedFile)
    assert sealed(tmp_path, whole[:20_000]) == UNSCANNED
    assert sealed(tmp_path, whole[: 512 * (len(LINES) // 512 + 2)] + b"no header" * 100) == UNSCANNED


@pytest.mark.parametrize(
    "beginning",
    [b"\x04\x22\x4d\x18", b"7z\xbc\xaf\x27\x1c\0\4", b"Rar!\x1a\x07\x01\0", b"\x1f\x9d\x90", b"MSCF\0\0\0\0"],
    ids=["lz4", "7z", "rar", "compress", "cab"],
)
def test_what_nothing_here_can_unpack_is_withheld(tmp_path: Path, beginning: bytes) -> None:
    assert sealed(tmp_path, beginning + bytes(range(256))) == UNSCANNED


def test_zstandard_without_its_package_is_withheld(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("zstandard", "compression.zstd"):
        monkeypatch.setitem(sys.modules, module, None)  # what makes its import fail
    assert sealed(tmp_path, zstandard.compress(LINES)) == UNSCANNED


def test_zstandard_with_its_package_is_looked_into(tmp_path: Path) -> None:
    assert isinstance(sealed(tmp_path, zstandard.compress(LINES)), SealedFile)
    assert sealed(tmp_path, zstandard.compress(LINES + TEXT.encode())) == FOUND
    assert sealed(tmp_path, zstandard.compress(pickle.dumps({KEY: [VALUE]}))) == FOUND
    assert sealed(tmp_path, zstandard.compress(LINES)[:-20]) == UNSCANNED


def named_gzip(name: str, extra: bytes = b"", comment: bytes = b"") -> bytes:
    flags = (4 if extra else 0) | (8 if name else 0) | (16 if comment else 0)
    header = b"\x1f\x8b\x08" + bytes((flags,)) + b"\0\0\0\0\0\3"
    header += len(extra).to_bytes(2, "little") + extra if extra else b""
    header += name.encode() + b"\0" if name else b""
    header += comment + b"\0" if comment else b""
    return header + gzip.compress(LINES)[10:]


@pytest.mark.parametrize(
    "content",
    [
        zipped(name=f"{TEXT}.txt"),
        zipped(comment=TEXT.encode()),
        tarred(f"{TEXT}.txt"),
        tarred(uname=TEXT),
        tarred(pax_headers={KEY: VALUE}),
        named_gzip(f"{TEXT}.txt"),
        named_gzip("", comment=TEXT.encode()),
        named_gzip("name", b"extra", TEXT.encode()),
    ],
    ids=["zip name", "zip comment", "tar name", "tar user", "tar header", "gzip name", "gzip comment", "gzip all"],
)
def test_a_secret_in_what_an_archive_says_of_its_members(tmp_path: Path, content: bytes) -> None:
    assert sealed(tmp_path, content) == FOUND


def test_numbers_that_begin_like_something_packed_pass(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).bytes(50_000)
    for beginning in (
        b"\x78\x9c",
        b"\x78\x01",
        b"\x80\x04",
        b"\x80\x02",
        b"\x1f\x8b",
        b"BZh9",
        b"PK",
        b"\x5d\0\0",
        b"{",
    ):
        assert isinstance(sealed(tmp_path, beginning + b"\0\xff" + noise), SealedFile), beginning


def test_numbers_that_look_like_a_mail_address_by_chance_pass(tmp_path: Path) -> None:
    assert isinstance(sealed(tmp_path, b"\0\xff\xfeJ@g.KJ\xfe\0"), SealedFile)
    assert sealed(tmp_path, b"\0\xff\xfejane.doe@example.com\xfe\0") == Withheld("email")


@pytest.mark.parametrize("name", [".netrc", "home/.pgpass", "etc\\id_rsa", "deep/down/Release.JKS"])
def test_a_member_that_is_a_credential_by_its_name(tmp_path: Path, name: str) -> None:
    content = b"\xfe\xed\xfe\xed" + bytes(100)
    of_gzip = io.BytesIO()
    with gzip.GzipFile(name, "wb", fileobj=of_gzip) as file:
        file.write(content)
    nested = zipped(gzip.compress(tarred(name, content)))
    encrypted = bytearray(zipped(content, name))
    for at in (6, encrypted.index(b"PK\1\2") + 8):
        encrypted[at] |= 1
    for packed in (zipped(content, name), tarred(name, content), nested, bytes(encrypted), of_gzip.getvalue()):
        assert sealed(tmp_path, packed) == Withheld("secret-file")
    link = tarred(name, b"", type=tarfile.SYMTYPE, linkname="elsewhere")
    assert sealed(tmp_path, link) == Withheld("secret-file")
    assert isinstance(sealed(tmp_path, zipped(content, f"{name}.md")), SealedFile)


def test_a_policy_keeps_a_member_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(zipped(b"machine", "home/.netrc"))
    result = Redactor(Policy(keep=("*.netrc",))).seal_file(tmp_path / "source", tmp_path / "target", name="a.zip")
    assert isinstance(result, SealedFile)
