"""Versions of MLflow's registered models, each made once however often it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from reticent.backends.mlflow.client import Client, DeniedError, NoSuchEndpointError, RefusedError, pages

_EXISTS = "RESOURCE_ALREADY_EXISTS"


def register(client: Client, name: str, run_id: str, source: str, model_id: str | None) -> None:
    """Have the model of a run be a version of the registered model `name`. RefusedError if it cannot be."""
    with _refusals():
        if any(known["name"] == name and known.get("source") == source for known in _versions(client, run_id)):
            return
        try:
            client.post("registered-models/create", name=name)
        except RefusedError as error:
            if error.code != _EXISTS:
                raise
        logged = {} if model_id is None else {"model_id": model_id}
        client.post("model-versions/create", name=name, source=source, run_id=run_id, **logged)


def _versions(client: Client, run_id: str) -> Iterator[dict[str, Any]]:
    """All that are made of models of a run."""
    search = partial(client.get, "model-versions/search")
    return pages(search, "model_versions", filter=f"run_id = '{run_id}'")


@contextmanager
def _refusals() -> Iterator[None]:
    """What is refused here is refused for good: runs are taken, so it is the registry that is not there, or not ours."""
    try:
        yield
    except (NoSuchEndpointError, DeniedError, RefusedError) as error:
        code = error.code if isinstance(error, RefusedError) else ""
        raise RefusedError(f"it is not registered: {error}", 400, code) from error
