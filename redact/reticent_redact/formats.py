"""What files of known formats say in texts and under keys: pictures, PDF, numpy, XGBoost, Arrow, ONNX, SQLite and others."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import re
import sqlite3
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

from reticent_redact import archives, arrays, arrow, onnx, pickles
from reticent_redact.archives import inflated, is_zlib
from reticent_redact.parts import LARGEST, UNREADABLE, Part

_PNG = b"\x89PNG\r\n\x1a\n"
_LONGEST_TEXT = 64 * 1024
_LIMIT_LENGTH = 0  # SQLITE_LIMIT_LENGTH, which Python names since 3.11
_LARGEST_DATABASE = 64 * 1024 * 1024
"""Bytes; SQLite makes copies of its own of them."""
_AT_ONCE = 1024 * 1024
_MOST_READ = 32
"""For each byte of a database its rows may have so many, and 8 for each value: of a default, only one is stored."""

_COMPUTED = 2
"""What `PRAGMA table_xinfo` says of a column that is stored nowhere."""

_DEEPEST_UBJ = 100

_LETTER = 4
"""Bytes: texts in an array that are no larger are the letters of a longer one, if anything."""

_PRINTABLE = re.compile(rb"[\t\r\n\x20-\x7e]{6,}|(?:[\t\r\n\x20-\x7e]\0){6,}")
_STREAM = re.compile(rb"(?<!end)stream\r?\n")
_PDF_STRING = re.compile(rb"/(\w+)\s{0,4}\(([^()\\]{1,1000})\)")


def reader(beginning: bytes) -> Callable[[BinaryIO], Iterator[Part]] | None:
    """What takes apart a file that begins so; None for one of no format that is known here."""
    if beginning.startswith(_PNG):
        return _in_png
    if beginning.startswith(b"\xff\xd8\xff"):
        return _in_jpeg
    if beginning.startswith(b"%PDF-"):
        return _in_pdf
    if beginning.startswith(b"\x93NUMPY"):
        return _in_array
    if beginning.startswith(b"SQLite format 3\0"):
        return _in_database
    if beginning[8:9] == b"{" and 2 <= int.from_bytes(beginning[:8], "little") <= LARGEST:
        return _in_safetensors
    if beginning[:2] == b"{L" and beginning[2:7] == b"\0" * 5:
        return _in_ubj
    if arrow.begins(beginning):
        return arrow.parts
    if onnx.begins(beginning):
        return _in_onnx
    return None


def is_file(beginning: bytes) -> bool:
    """Whether bytes that begin so are worth to be looked at as a file of their own."""
    return (
        pickles.begins(beginning)
        or beginning.startswith(b"PK\x03\x04")
        or archives.reader(beginning) is not None
        or reader(beginning) is not None
    )


def _in_png(file: BinaryIO) -> Iterator[Part]:
    at = len(_PNG)
    while True:
        file.seek(at)
        size, kind = int.from_bytes(file.read(4), "big"), file.read(4)
        if len(kind) < 4:
            return
        at += size + 12
        if kind not in (b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"eXIf"):
            continue
        if size > LARGEST:
            yield UNREADABLE
            continue
        chunk = file.read(size)
        keyword, _, text = chunk.partition(b"\0")
        if kind == b"tEXt":
            yield {keyword.decode("latin-1"): text.decode("latin-1")}
        elif kind == b"eXIf":
            yield _printable(chunk)
        else:
            yield from _long_text_of_png(kind, keyword.decode("latin-1"), text)


def _long_text_of_png(kind: bytes, keyword: str, content: bytes) -> Iterator[Part]:
    """A text that may be compressed, and one that may have a language."""
    packed = kind != b"iTXt" or content[:1] == b"\1"
    text = content[1:] if kind != b"iTXt" else (content[2:].split(b"\0", 2) + [b""] * 3)[2]
    if packed and not is_zlib(text):
        yield UNREADABLE
    elif packed:
        yield {keyword: zlib.decompressobj().decompress(text, _LONGEST_TEXT).decode("utf-8", "replace")}
        yield inflated(io.BytesIO(text))
    else:
        yield {keyword: text.decode("utf-8", "replace")}


def _in_jpeg(file: BinaryIO) -> Iterator[Part]:
    """What applications and people wrote in a JPEG picture: EXIF, XMP, comments."""
    at = 2
    while True:
        file.seek(at)
        marker, size = file.read(2), int.from_bytes(file.read(2), "big")
        if marker[:1] != b"\xff" or marker[1:] == b"\xda" or size < 2:  # the picture itself begins
            return
        if 0xE0 <= marker[1] <= 0xEF or marker[1] == 0xFE:
            yield _printable(file.read(size - 2))
        at += 2 + size


def _printable(content: bytes) -> str:
    """The texts in bytes of which others are none, one a line."""
    return b"\n".join(match[0].replace(b"\0", b"") for match in _PRINTABLE.finditer(content)).decode("ascii")


def _in_pdf(file: BinaryIO) -> Iterator[Part]:
    """The compressed streams of a PDF, and the texts under its names (`/Title (...)`)."""
    content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        yield UNREADABLE
        return
    for name, text in _PDF_STRING.findall(content):
        yield {name.decode("latin-1"): text.decode("latin-1")}
    end = 0
    for stream in _STREAM.finditer(content):
        start = stream.end()
        if not is_zlib(content[start : start + 512]):
            continue
        if start < end:
            yield UNREADABLE  # it begins in another one, as none does in a PDF
            return
        found = content.find(b"endstream", start)
        end = found if found >= 0 else len(content)
        yield inflated(io.BytesIO(content[start:end]))


def _in_array(file: BinaryIO) -> Iterator[Part]:
    """A numpy array of objects is a pickle behind a header; one of texts is texts behind it."""
    beginning = file.read(12)
    width, start = (2, 10) if beginning[6] == 1 else (4, 12)
    size = int.from_bytes(beginning[8 : 8 + width], "little")
    if size > _LONGEST_TEXT:
        yield UNREADABLE
        return
    file.seek(start)
    header = file.read(size).decode("latin-1")
    kinds = set(re.findall(r"'[<>|=]?([OUS])\d*'", header))
    if not kinds:
        return
    content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        yield UNREADABLE
    elif "O" in kinds:
        yield io.BytesIO(content)
    else:
        try:
            fields, size = arrays.layout(ast.literal_eval(header.strip())["descr"])
            if "[(" in header:
                yield from arrays.columns(content, fields, size)
            elif fields:
                is_apart = size > _LETTER
                yield io.BytesIO(arrays.lines(content, fields[0].encoding, size) if is_apart else content)
        except (ValueError, TypeError, KeyError, SyntaxError, RecursionError, MemoryError):
            yield UNREADABLE


def _in_safetensors(file: BinaryIO) -> Iterator[Part]:
    size = int.from_bytes(file.read(8), "little")
    with contextlib.suppress(ValueError, RecursionError):  # then it is another kind of file, and was looked at as bytes
        header = json.loads(file.read(size))
        if isinstance(header, dict):
            yield {"": header.get("__metadata__")}


def _in_onnx(file: BinaryIO) -> Iterator[Part]:
    return onnx.parts(file, is_file)


def _in_database(file: BinaryIO) -> Iterator[Part]:
    """The rows of a SQLite database under the names of their columns; no view and no trigger of it is run."""
    content = file.read(_LARGEST_DATABASE + 1)
    if len(content) > _LARGEST_DATABASE or not hasattr(sqlite3.Connection, "deserialize"):  # before Python 3.11
        return
    connection: Any = sqlite3.connect(":memory:")  # to mypy, it is one of Python 3.10
    try:
        # As if it had no write-ahead log: its file is not here.
        connection.deserialize(content[:18] + b"\1\1" + content[20:])
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA query_only = ON")
        connection.setlimit(_LIMIT_LENGTH, max(len(content), _LONGEST_TEXT))  # nothing that is stored is longer
        connection.text_factory = lambda text: text.decode("utf-8", "replace")
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 0").fetchall()
        left = _MOST_READ * len(content)
        for (table,) in tables:
            quoted = _quoted(table)
            columns = connection.execute(f"PRAGMA table_xinfo({quoted})").fetchall()
            names = [column[1] for column in columns if column[6] != _COMPUTED]
            if len(names) < len(columns):
                yield UNREADABLE  # what computes it may take any time
            rows = connection.execute(f"SELECT {', '.join(map(_quoted, names))} FROM {quoted}")  # noqa: S608 - quoted
            for batch in _batches(rows, names):
                left -= sum(_size(value) for row in batch for value in row.values())
                if left < 0:
                    yield UNREADABLE  # its pages are not what they say
                    return
                yield batch
                yield from (io.BytesIO(value) for row in batch for value in row.values() if _is_packed(value))
    except sqlite3.Error:
        yield UNREADABLE
    finally:
        connection.close()


def _batches(rows: Iterable[tuple[Any, ...]], names: list[str]) -> Iterator[list[dict[str, Any]]]:
    """The rows of a table, at least one and about a MiB at a time."""
    batch, size = [], 0
    for row in rows:
        batch.append({name: value for name, value in zip(names, row, strict=True) if value is not None})
        size += sum(map(_size, row))
        if size > _AT_ONCE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _size(value: Any) -> int:
    return 8 + len(value) if isinstance(value, (str, bytes)) else 8


def _quoted(name: str) -> str:
    return '"{}"'.format(name.replace('"', '""'))


def _is_packed(value: Any) -> bool:
    """Whether bytes in a database are a file, or a pickle."""
    if type(value) is not bytes or len(value) < 2:
        return False
    return is_file(value[:512]) or pickles.is_old(io.BytesIO(value))


_UBJ_NUMBERS = {"i": ">b", "U": ">B", "I": ">h", "l": ">i", "L": ">q", "d": ">f", "D": ">d"}
_UBJ_NOTHING = frozenset("ZNTF")


def _in_ubj(file: BinaryIO) -> Iterator[Part]:
    """Universal Binary JSON, the format of XGBoost's models. Arrays of numbers are passed over."""
    try:
        yield {"": _ubj(file, file.read(1).decode("latin-1"), 0)}
    except (EOFError, KeyError, struct.error, RecursionError):
        yield UNREADABLE


def _ubj(file: BinaryIO, kind: str, depth: int) -> Any:
    """A value of a kind, without its numbers."""
    if kind in _UBJ_NUMBERS:
        file.seek(struct.calcsize(_UBJ_NUMBERS[kind]), io.SEEK_CUR)
        return None
    if kind in _UBJ_NOTHING:
        return None
    if kind == "C":
        return _exactly(file, 1)
    if kind in "SH":
        return _exactly(file, _ubj_number(file, _letter(file)))
    if depth == _DEEPEST_UBJ or kind not in "[{":
        raise KeyError
    return _ubj_container(file, kind == "{", depth + 1)


def _ubj_container(file: BinaryIO, has_keys: bool, depth: int) -> Any:
    of, count, ahead = "", None, _letter(file)
    if ahead == "$":  # all of one kind
        of, ahead = _letter(file), _letter(file)
    if ahead == "#":  # and so many
        count, ahead = _ubj_number(file, _letter(file)), ""
    if of and count is not None and not has_keys and (of in _UBJ_NUMBERS or of in _UBJ_NOTHING):
        file.seek(struct.calcsize(_UBJ_NUMBERS.get(of, "")) * count, io.SEEK_CUR)
        return None
    items: dict[str, Any] = {}
    number = 0
    while number != count:
        if not ahead and (has_keys or not of):
            ahead = _letter(file)
        if count is None and ahead in "]}":
            break
        name = _exactly(file, _ubj_number(file, ahead)) if has_keys else str(number)
        value = _ubj(file, of or (_letter(file) if has_keys else ahead), depth)
        if value is not None:
            items[name] = value
        ahead = ""
        number += 1
    return items if has_keys else list(items.values())


def _ubj_number(file: BinaryIO, kind: str) -> int:
    layout = _UBJ_NUMBERS[kind]
    number = int(struct.unpack(layout, file.read(struct.calcsize(layout)))[0])
    if number < 0:
        raise EOFError
    return number


def _exactly(file: BinaryIO, size: int) -> str:
    content = file.read(size) if size <= LARGEST else b""
    if len(content) < size:
        raise EOFError
    return content.decode("utf-8", "replace")


def _letter(file: BinaryIO) -> str:
    return _exactly(file, 1)
