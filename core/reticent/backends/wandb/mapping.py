"""What a run's records are in W&B, as messages of its transaction log; the numbers are those of `wandb_internal.proto`."""

from __future__ import annotations

import hashlib
import math
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import BinaryIO

import msgspec

from reticent.backends.protolog import integer, message, part, stamp, text
from reticent.records import RunStarted, RunStatus

HEADER = b":W&B\xe1\xbe\0"

STEP = "reticent/step"
"""The user's step: x axis of every metric. W&B's own `_step` has to grow with each row, and what comes with a lower one is
dropped, so that counts the rows."""

STATUS = "reticent/status"

EXIT_CODES = {RunStatus.FINISHED: 0, RunStatus.KILLED: 255}
"""W&B shows 255 as killed; any other status as failed."""

_RESERVED = {"_step", "_timestamp", "_runtime", "_wandb", STEP, STATUS, "tags", "datasets", "references", "parent_run"}
_ARTIFACT_NAME = re.compile(r"[^\w.-]", re.ASCII)


def name(key: str) -> str:
    """A key of a param or metric; one that W&B or this backend gives a meaning of its own is put aside."""
    return f"logged/{key}" if key in _RESERVED else key


def number(value_: float) -> str:
    if math.isfinite(value_):
        return repr(value_)
    return "NaN" if math.isnan(value_) else "Infinity" if value_ > 0 else "-Infinity"


def record(counter: int, content: bytes) -> bytes:
    return integer(1, counter) + content


def header() -> bytes:
    return part(21, part(1, text(1, "0.31.0") + text(2, "0.70.0")))


def run(run_id: str, entity: str, project: str, started: RunStarted | None, notes: str) -> bytes:
    """The run itself. It is not resumed: the log is all of it, whose rows take the place of those that the server has."""
    start = 0.0 if started is None else started.time
    return part(
        17,
        message(
            text(1, run_id),
            text(2, entity),
            text(3, project),
            b"" if started is None else text(6, started.experiment) + text(8, started.name),
            text(9, notes),
            stamp(17, start),
        ),
    )


def config(values: Iterable[tuple[tuple[str, ...], str]]) -> bytes:
    """Values as JSON, by their path of keys."""
    return part(5, b"".join(part(1, _item(path, json)) for path, json in values))


def summary(values: Mapping[str, str]) -> bytes:
    return part(3, b"".join(part(1, _item((key,), json)) for key, json in values.items()))


def row(step: int, values: Mapping[str, str]) -> bytes:
    """A row of the history, values as JSON."""
    items = b"".join(part(1, text(2, key) + text(16, json)) for key, json in values.items())
    return part(2, items + part(2, integer(1, step)) + part(1, text(2, "_step") + text(16, str(step))))


def metric(key: str) -> bytes:
    """That a metric is drawn over the user's step."""
    if key == STEP:
        return part(12, text(1, STEP) + part(6, integer(2, True) + integer(3, True)))
    return part(12, text(1, key) + text(4, STEP) + part(6, integer(3, True)))


def console(stream: str, time: float, line: str) -> bytes:
    return part(13, integer(1, stream == "stdout") + stamp(2, time) + text(3, line))


def files(paths: Iterable[str]) -> bytes:
    return part(6, b"".join(part(1, text(1, path)) for path in paths))


def exit_(code: int, seconds: float) -> bytes:
    return part(18, integer(1, code) + integer(2, max(0, int(seconds))))


def model(run_id: str, entity: str, project: str, path: str, directory: Path) -> bytes:
    """An artifact of the type "model" with all files of a directory."""
    contents, digest = b"", hashlib.md5(b"wandb-artifact-manifest-v1\n", usedforsecurity=False)
    for file in sorted(one for one in directory.rglob("*") if one.is_file()):
        relative = file.relative_to(directory).as_posix()
        with file.open("rb") as opened:
            hashed = b64encode(_md5(opened)).decode()
        digest.update(f"{relative}:{hashed}\n".encode())
        contents += part(
            4, text(1, relative) + text(2, hashed) + integer(4, file.stat().st_size) + text(6, str(file.resolve()))
        )
    policy = text(2, "wandb-storage-policy-v1") + part(3, text(1, "storageLayout") + text(2, '"V2"'))
    sequence = f"{run_id}/{path}"
    return part(
        8,
        message(
            text(1, run_id),
            text(2, entity),
            text(3, project),
            text(4, "model"),
            text(5, f"run-{run_id[:8]}-{_ARTIFACT_NAME.sub('_', path)}"[:128]),
            text(6, digest.hexdigest()),
            integer(9, True),
            text(11, "latest"),
            part(12, integer(1, 1) + policy + contents),
            integer(14, True),
            text(15, _client_id(f"{sequence}/{digest.hexdigest()}")),
            text(16, _client_id(sequence)),
            text(20, "MANIFEST_MD5"),
        ),
    )


def image(path: str, digest: str, data: bytes, size: int) -> str | None:
    """The value of a picture in the history, as JSON; None for what is no PNG. `data` is how the file begins."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n") or data[12:16] != b"IHDR":
        return None
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    shape = {"width": width, "height": height, "format": "png", "size": size, "sha256": digest}
    return msgspec.json.encode({"_type": "image-file", "path": path, **shape}).decode()


def _item(path: tuple[str, ...], json: str) -> bytes:
    return (text(1, path[0]) if len(path) == 1 else b"".join(text(2, key) for key in path)) + text(16, json)


def _client_id(text_: str) -> str:
    return hashlib.sha512(text_.encode()).hexdigest()


def _md5(file: BinaryIO) -> bytes:
    digest = hashlib.md5(usedforsecurity=False)
    while chunk := file.read(1 << 20):
        digest.update(chunk)
    return digest.digest()
