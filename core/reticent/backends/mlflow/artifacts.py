"""Files of a run in MLflow's artifact store: through the server where it hands them on, else straight to the store."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import msgspec

from reticent.backends import Batch
from reticent.backends.mlflow.client import Client, RefusedError
from reticent.backends.mlflow.direct import Direct
from reticent.backends.mlflow.proxied import Proxied
from reticent.files import safe_relative
from reticent.records import Artifact, is_under

SUMS = "reticent/sha256.json"
"""An artifact of ours: the SHA-256 of all others, by path."""

_PROXIED = "mlflow-artifacts"
_STORES = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "hdfs", "webhdfs"}
"""What fsspec is asked for. It would take a scheme that it does not know for a directory of that name here, and others
(`memory`, `http`, `simplecache::file`) for what no server means by them."""


class Store(Protocol):
    """The files under one URI."""

    def put(self, path: str, content: Path | bytes) -> None: ...

    def remove(self, path: str) -> None: ...

    def read(self, path: str) -> bytes: ...

    def size(self, path: str) -> int | None: ...


class UnreachableError(Exception):
    """There is no way from here to where the server wants a run's files."""


Elsewhere = Callable[[str], "tuple[Store, str] | None"]
"""Where the file of a path goes, if not to the run's own files: a store, and its path there."""


class Files:
    """The files of one run. What is there with the same content is not sent again."""

    def __init__(self, store: Store, new: bool, elsewhere: Elsewhere) -> None:
        self._store = store
        self._elsewhere = elsewhere
        self._sums: dict[str, str] | None = {} if new else None
        self._noted: dict[str, str] = {}

    def put(self, batch: Batch, artifact: Artifact) -> None:
        """Upload the file of an artifact, unless a later one has taken its place: that comes with a record of its own."""
        source = batch.file(artifact)
        if source is None:
            return
        store, path = self._place(artifact.path)
        if self._known().get(artifact.path) == artifact.sha256 and store.size(path) == artifact.size:
            return
        with suppress(FileNotFoundError):  # a later one is about to take its place
            store.put(path, source)
            self._known()[artifact.path] = artifact.sha256

    def put_text(self, path: str, text: str) -> None:
        self._store.put(path, text.encode("utf-8", "replace"))

    def remove(self, path: str) -> None:
        store, there = self._place(path)
        try:
            store.remove(there)
        except RefusedError as error:
            if error.status != 404:  # else it is not there
                raise
        for gone in [one for one in self._known() if is_under(one, path)]:
            del self._known()[gone]

    def has(self, path: str) -> bool:
        store, there = self._place(path)
        return store.size(there) is not None

    def note(self) -> None:
        """Keep with the run what its files are."""
        if self._sums is not None and self._sums != self._noted:
            self._store.put(SUMS, msgspec.json.encode(self._sums))
            self._noted = self._sums.copy()

    def _place(self, path: str) -> tuple[Store, str]:
        path = safe_relative(path).as_posix()
        return self._elsewhere(path) or (self._store, path)

    def _known(self) -> dict[str, str]:
        if self._sums is None:
            self._sums = {}
            if self._store.size(SUMS) is not None:
                with suppress(msgspec.DecodeError, RefusedError):  # then all is sent again
                    self._sums = msgspec.json.decode(self._store.read(SUMS), type=dict[str, str])
            self._noted = self._sums.copy()
        return self._sums


def store_at(client: Client, uri: str) -> Store:
    """The store of an artifact URI. UnreachableError if there is no way to it from here."""
    place = urlsplit(uri)
    if place.scheme == _PROXIED and not place.netloc:
        return Proxied(client, place.path)
    if place.scheme == _PROXIED:
        raise UnreachableError(f"another server has the artifacts ({place.hostname}): that is not supported")
    if place.scheme in ("", "file"):
        # <the server's directory>/<experiment>/<run>/artifacts: only the first has to be there before there is a file.
        directory = Path(place.path)
        is_whole = directory.is_absolute() and ".." not in directory.parts and len(directory.parents) >= 3
        if not is_whole or not directory.parents[2].is_dir():
            raise UnreachableError(
                f"artifacts at {place.scheme or 'a path'} of the server's machine cannot be reached from here; start the "
                "server with --serve-artifacts, or with an artifact store that this machine reaches as well"
            )
        return Direct(f"file://{directory}")
    if place.scheme not in _STORES:
        known = ", ".join(sorted(_STORES))
        raise UnreachableError(
            f"the server wants artifacts at {place.scheme}:, which is no artifact store that is known here ({known}); start "
            "it with --serve-artifacts"
        )
    return Direct(uri)
