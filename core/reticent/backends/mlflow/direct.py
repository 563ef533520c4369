"""Artifacts straight to the artifact store, by fsspec: what the server's runs name as their place, say `s3://bucket/path`.

Credentials are those that the store's own client finds in the environment; for S3, MLFLOW_S3_ENDPOINT_URL and
MLFLOW_S3_IGNORE_TLS hold as they do for MLflow.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from reticent.backends import UnavailableError

PART = 8 << 20
AT_ONCE = 3
"""What S3 gets at a time: bytes, which are in memory, and how many of such parts."""


class Direct:
    def __init__(self, uri: str) -> None:
        import fsspec

        self._place = f"the artifact store {urlsplit(uri).scheme}://{urlsplit(uri).netloc}"
        with self._failures():
            self._files, self._directory = fsspec.core.url_to_fs(uri, **_options(urlsplit(uri).scheme))
        self._how = {"chunksize": PART, "max_concurrency": AT_ONCE} if self._files.protocol[0] == "s3" else {}

    def put(self, path: str, content: Path | bytes) -> None:
        """Store a file, of a file's or of this content."""
        place = f"{self._directory}/{path}"
        with self._failures():
            self._files.makedirs(place.rpartition("/")[0], exist_ok=True)
            if isinstance(content, bytes):
                self._files.pipe_file(place, content)
            else:
                self._files.put_file(str(content), place, **self._how)

    def remove(self, path: str) -> None:
        with self._failures(), suppress(FileNotFoundError):
            self._files.rm(f"{self._directory}/{path}".rstrip("/"), recursive=True)

    def read(self, path: str) -> bytes:
        with self._failures():
            return bytes(self._files.cat_file(f"{self._directory}/{path}"))

    def size(self, path: str) -> int | None:
        """In bytes; None if there is no such file."""
        with self._failures():
            try:
                found = self._files.info(f"{self._directory}/{path}")
            except FileNotFoundError:
                return None
            return int(found["size"])

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except ImportError as error:
            raise UnavailableError(f"{self._place}: {error}") from error
        except Exception as error:  # every store's client has errors of its own
            told = f"{type(error).__name__}: {str(error)[:300]}"
            raise UnavailableError(
                f"{self._place} cannot be used ({told}); its credentials are taken from the environment"
            ) from error


def _options(scheme: str) -> dict[str, Any]:
    options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
    if scheme not in ("s3", "s3a"):
        return options
    if endpoint := os.environ.get("MLFLOW_S3_ENDPOINT_URL"):
        options["endpoint_url"] = endpoint
    if os.environ.get("MLFLOW_S3_IGNORE_TLS", "").lower() in ("true", "1"):
        options["client_kwargs"] = {"verify": False}
    return options
