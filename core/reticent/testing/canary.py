"""Secrets to plant, a run that is full of them, and a search for them in every form that a program may write them in."""

from __future__ import annotations

import base64
import bz2
import contextlib
import gzip
import html
import io
import json
import lzma
import os
import pickle
import sqlite3
import urllib.parse
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import reticent

VARIABLE = "VAULT_PASSWORD"
"""The environment variable that has the known secret as its value."""


@dataclass(frozen=True)
class Canary:
    """Three secrets, made up, that differ in what tells them."""

    keyed: str
    """Secret by its key only, such as `api_key`."""
    shaped: str
    """Secret by its form, wherever it stands."""
    known: str
    """Secret because this process has it in its environment, as `VARIABLE`; escaping changes its characters."""

    def all(self) -> tuple[str, str, str]:
        return self.keyed, self.shaped, self.known

    def text(self) -> str:
        """All three as a text has them."""
        return f"api_key={self.keyed} with {self.shaped} and {self.known}."


CANARY = Canary(
    keyed="qXv7Lm29-tRz4Wp81-Hd65Ks30",
    shaped="ghp_" + "R7mK2pQ9vT4xW1zBnC8dF3gH6jL5sYaE0uNi",
    known='Wq7"kZ/x+9&\u00e9 mV4=Tb8 gJ2',
)

_WINDOW = 12
_STEP = 4
_DEEPEST = 4


def find(secret: str, root: Path | None = None, texts: Iterable[str | bytes] = ()) -> list[str]:
    """Where a secret, or 15 characters of it in a row, stands under `root` or in the texts, and in which form.

    Looked for in names and content of files, in rows of SQLite, in what is compressed in zip, gzip, bzip2, xz and PNG; as
    it is, in UTF-16 and Latin-1, and escaped as in JSON, URLs, HTML, `repr` and base64. `quarantine/` is passed over: it
    keeps what is withheld.
    """
    forms = _forms(secret)
    found: list[str] = []
    for place, content in _contents(root, texts):
        found += [f"{place}: {form}" for pattern, form in forms.items() if pattern in content]
    return found


def log_everywhere(canary: Canary, directory: Path) -> str:
    """Log a run with the secrets in everything that can be logged without a framework; its id. `directory` is for files."""
    text = canary.text()
    file, binary = directory / "notes.txt", directory / "weights.bin"
    file.write_text(f"{text}\n{json.dumps(text)}\n{urllib.parse.quote(canary.known)}\n", "utf-8")
    binary.write_bytes(b"\xff\0" + pickle.dumps({"api_key": canary.keyed, "note": text}))
    nested = {"db": {"api_key": canary.keyed}, "notes": [canary.shaped, {"deep": (canary.known,)}]}
    with contextlib.suppress(RuntimeError), reticent.start_run(text, experiment=text, tags={"team": text}) as run:
        run.log_params({"api_key": canary.keyed, "note": canary.shaped, "remark": canary.known, "nested": nested})
        run.log_params({text: 1, "json": json.dumps(nested)})
        run.set_tags({text: text, "api_key": canary.keyed})
        run.log_metric(f"loss {text}", 0.5)
        run.log_text(text, f"{text}/note.txt")
        run.log_dict(nested, "nested.json")
        run.log_artifact(file)
        run.log_artifact(binary)
        run.log_dataset(
            text, text, digest=text, source=text, schema={"columns": [text], **nested}, profile={"classes": {text: 1}}
        )
        run.warn(text, text)
        raise RuntimeError(text) from ValueError(text)
    return run.run_id


def _forms(secret: str) -> dict[bytes, str]:
    starts = (*range(0, max(1, len(secret) - _WINDOW), _STEP), max(0, len(secret) - _WINDOW))
    forms: dict[bytes, str] = {}
    for part in [secret, *(secret[start : start + _WINDOW] for start in starts)]:
        for form, pattern in _written(part):
            forms.setdefault(pattern, form)
    return forms


def _written(text: str) -> Iterator[tuple[str, bytes]]:
    raw = text.encode()
    once, wide = json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]
    texts = {
        "as it is": [text],
        "JSON": [once, wide, json.dumps(once)[1:-1], json.dumps(wide, ensure_ascii=False)[1:-1]],
        "repr": [repr(text)[1:-1], ascii(text)[1:-1], repr(raw)[2:-1]],
        "HTML": [html.escape(text), html.escape(text, quote=False), html.escape(text).replace("&quot;", "&#34;")],
        "URL": [urllib.parse.quote(text), urllib.parse.quote(text, safe=""), urllib.parse.quote_plus(text)],
    }
    texts["URL"] += [_lower_codes(url) for url in texts["URL"]]
    for form, spellings in texts.items():
        for spelling in spellings:
            yield form, spelling.encode()
    for encoding in ("utf-16-le", "utf-16-be", "utf-32-le", "latin-1"):
        with contextlib.suppress(UnicodeEncodeError):
            yield encoding, text.encode(encoding)
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for before in range(3):  # without the characters that it shares with what stands before and after
            encoded = encode(b"\0" * before + raw)
            whole = (before + len(raw)) // 3 * 4
            yield "base64", encoded[(0, 2, 3)[before] : whole]


def _lower_codes(url: str) -> str:
    first, *rest = url.split("%")
    return "%".join((first, *(code[:2].lower() + code[2:] for code in rest)))


def _contents(root: Path | None, texts: Iterable[str | bytes]) -> Iterator[tuple[str, bytes]]:
    for number, text in enumerate(texts):
        data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
        yield from _unpacked(f"text {number}", data)
    for path in sorted(root.rglob("*")) if root is not None else ():
        name = path.relative_to(root)  # type: ignore[arg-type]  # there is one, or no path
        if "quarantine" in name.parts:
            continue
        yield f"name of {name}", os.fsencode(name)
        if path.is_file():
            content = path.read_bytes()
            yield from _unpacked(str(name), content)
            if content.startswith(b"SQLite format 3\0"):
                yield f"rows of {name}", _rows(path)


def _unpacked(place: str, data: bytes, depth: int = 0) -> Iterator[tuple[str, bytes]]:
    """The data, and what is compressed in it, however often."""
    yield place, data
    if depth == _DEEPEST:
        return
    with contextlib.suppress(OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, ValueError):
        if data.startswith(b"\x1f\x8b"):
            yield from _unpacked(f"{place} (gzip)", gzip.decompress(data), depth + 1)
        elif data.startswith(b"BZh"):
            yield from _unpacked(f"{place} (bzip2)", bz2.decompress(data), depth + 1)
        elif data.startswith(b"\xfd7zXZ\0"):
            yield from _unpacked(f"{place} (xz)", lzma.decompress(data), depth + 1)
        elif data.startswith(b"\x89PNG"):
            yield from _unpacked(f"{place} (PNG)", b"\n".join(_png_texts(data)), depth + 1)
        elif zipfile.is_zipfile(io.BytesIO(data)):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                for member in archive.infolist():
                    yield f"name in {place}", member.filename.encode()
                    yield from _unpacked(f"{place} ({member.filename})", archive.read(member), depth + 1)


def _png_texts(data: bytes) -> Iterator[bytes]:
    """What is compressed in the chunks for text of a PNG picture."""
    at = 8
    while at + 8 <= len(data):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        chunk = data[at + 8 : at + 8 + size]
        at += size + 12
        if kind in (b"zTXt", b"iTXt", b"iCCP"):
            for start in range(len(chunk)):
                if chunk[start : start + 1] == b"\x78":
                    with contextlib.suppress(zlib.error):
                        yield zlib.decompress(chunk[start:])


def _rows(path: Path) -> bytes:
    """All that the tables of a database hold: a long value is cut in pieces in its pages."""
    parts: list[bytes] = []
    with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for name in names:
            for row in database.execute(f'SELECT * FROM "{name}"'):  # noqa: S608 - the name comes from the database
                parts += [value if isinstance(value, bytes) else str(value).encode() for value in row]
    return b"\n".join(parts)
