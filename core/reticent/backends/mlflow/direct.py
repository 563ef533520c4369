"""Artifacts straight to the artifact store, by fsspec: what the server's runs name as their place, say `s3://bucket/path`.

Credentials are those that the store's own client finds in the environment; for S3, MLFLOW_S3_ENDPOINT_URL and
MLFLOW_S3_IGNORE_TLS hold as they do for MLflow.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from reticent.backends import UnavailableError
from reticent.backends.mlflow import s3


class Direct:
    def __init__(self, uri: str) -> None:
        import fsspec

        self._place = f"the artifact store {urlsplit(uri).scheme}://{urlsplit(uri).netloc}"
        with self._failures():
            self._files, self._directory = fsspec.core.url_to_fs(uri, **_options(urlsplit(uri).scheme))

    def put(self, path: str, content: Path | bytes) -> None:
        """Store a file, of a file's or of this content."""
        place = f"{self._directory}/{path}"
        with self._failures():
            self._files.makedirs(place.rpartition("/")[0], exist_ok=True)
            if isinstance(content, bytes):
                self._files.pipe_file(place, content)
            elif self._by_parts(content):
                bucket, key, _ = self._files.split_path(place)
                s3.put(self._s3, content, {"Bucket": bucket, "Key": key}, **self._files.s3_additional_kwargs)
            else:
                self._files.put_file(str(content), place)

    def _by_parts(self, content: Path) -> bool:
        if self._files.protocol[0] != "s3" or "SSECustomerKey" in self._files.s3_additional_kwargs:  # of each part, too
            return False
        return content.stat().st_size > 2 * s3.PART

    @cached_property
    def _s3(self) -> Any:
        return s3.client(self._files)

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
