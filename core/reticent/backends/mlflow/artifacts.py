"""Files of a run in MLflow's artifact store, through the server."""

from __future__ import annotations

import io
from typing import BinaryIO
from urllib.parse import urlsplit

from reticent.backends import Batch, Rejection
from reticent.backends.mlflow.client import Client, RefusedError
from reticent.records import Artifact

_PROXIED = "mlflow-artifacts"


def put(client: Client, artifact_uri: str, batch: Batch, artifact: Artifact) -> list[Rejection]:
    """Upload the file of an artifact; nothing if a later one has taken its place, which comes with a record of its own."""
    source = batch.file(artifact)
    if source is None:
        return []
    with source.open("rb") as file:
        return _upload(client, artifact_uri, artifact.path, file)


def put_text(client: Client, artifact_uri: str, path: str, text: str) -> list[Rejection]:
    return _upload(client, artifact_uri, path, io.BytesIO(text.encode("utf-8", "replace")))


def _upload(client: Client, artifact_uri: str, path: str, file: BinaryIO) -> list[Rejection]:
    place = urlsplit(artifact_uri)
    if place.scheme != _PROXIED:
        return [
            Rejection(1, f"artifacts at {place.scheme or 'a path'} of the server's machine cannot be reached from here")
        ]
    try:
        client.put_file(f"{place.path.lstrip('/')}/{path}", file)
    except RefusedError as error:
        return [Rejection(1, f"an artifact: {error}")]
    return []
