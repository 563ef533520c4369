"""Artifacts through the MLflow server, which hands them on to its artifact store.

Of a large file the parts go straight to the store, where that can have it so: the server signs a URL for each. What has
arrived is known to this process, so that after a failure the rest follows. A process that comes after sends all of it: the
server signs the parts of an upload only as it begins, and what it has signed is secret and not written down.
"""

from __future__ import annotations

import os
import posixpath
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from reticent.backends import UnavailableError
from reticent.backends.mlflow.client import Client, RefusedError

LARGE = 100 << 20
PART = 16 << 20
MOST_PARTS = 10_000
_API = "/api/2.0/mlflow-artifacts/"


@dataclass
class _Upload:
    """A large file on its way, as the server began it."""

    id: str
    credentials: list[dict[str, Any]]
    etags: dict[int, str] = field(default_factory=dict)


_begun: dict[tuple[str, str, int, int], _Upload] = {}
"""By server, path, size and time of change. Backends come and go with every failure; this stays for the process."""


class Proxied:
    def __init__(self, client: Client, directory: str) -> None:
        self._client = client
        self._directory = directory.strip("/")

    def put(self, path: str, content: Path | bytes) -> None:
        """Store a file, of a file's or of this content."""
        place = f"{self._directory}/{path}"
        if isinstance(content, bytes):
            self._client.put_file(_api("artifacts", place), content)
            return
        with content.open("rb") as file:
            if os.fstat(file.fileno()).st_size <= LARGE or not self._in_parts(place, file):
                file.seek(0)
                self._client.put_file(_api("artifacts", place), file)

    def remove(self, path: str) -> None:
        place = f"{self._directory}/{path}".rstrip("/")
        try:
            self._client.delete(_api("artifacts", place))
        except UnavailableError as error:
            self.size(path)  # else the server answers nothing at all
            raise RefusedError(f"the server cannot remove it: {error}", 500, "") from error  # an old one a file

    def read(self, path: str) -> bytes:
        return self._client.read(_api("artifacts", f"{self._directory}/{path}"))

    def size(self, path: str) -> int | None:
        """In bytes; None if there is no such file."""
        directory, name = posixpath.split(f"{self._directory}/{path}")
        found = self._client.get(f"{_API}artifacts", path=directory).get("files", ())
        return next((int(one.get("file_size", 0)) for one in found if posixpath.basename(one["path"]) == name), None)

    def _in_parts(self, place: str, file: BinaryIO) -> bool:
        """Whether the file was stored this way: not every artifact store can, nor be reached from here."""
        status = os.fstat(file.fileno())
        size = max(PART, -(-status.st_size // MOST_PARTS))
        key = self._client.url, place, status.st_size, status.st_mtime_ns
        directory, name = posixpath.split(place)
        if key not in _begun:
            told = {"path": name, "num_parts": -(-status.st_size // size)}
            try:
                made = self._client.post(_api("mpu/create", directory), **told)
            except RefusedError:
                return False
            _begun[key] = _Upload(made.get("upload_id", ""), made["credentials"])
        upload = _begun[key]
        try:
            for part in upload.credentials:
                number = int(part["part_number"])
                if number not in upload.etags:
                    file.seek((number - 1) * size)
                    data = file.read(size)
                    upload.etags[number] = self._client.put_elsewhere(part["url"], data, part.get("headers", {}))
            parts = [
                {
                    "part_number": int(part["part_number"]),
                    "etag": upload.etags[int(part["part_number"])],
                    "url": part["url"],
                }
                for part in upload.credentials
            ]
            self._client.post(_api("mpu/complete", directory), path=name, upload_id=upload.id, parts=parts)
        except RefusedError:  # the signatures have expired, or the store has given the parts up
            self._abort(directory, name, _begun.pop(key))
            raise UnavailableError(
                f"{self._client.url}: the upload of a large file has expired; it begins anew"
            ) from None
        except UnavailableError:
            if upload.etags:
                raise
            self._abort(directory, name, _begun.pop(key))
            return False
        del _begun[key]
        return True

    def _abort(self, directory: str, name: str, upload: _Upload) -> None:
        with suppress(RefusedError, UnavailableError):  # the store's own rules remove what nobody completes
            self._client.post(_api("mpu/abort", directory), path=name, upload_id=upload.id)


def _api(what: str, place: str) -> str:
    return f"{_API}{what}/{quote(place)}"
