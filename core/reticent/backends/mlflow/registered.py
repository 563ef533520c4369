"""Versions and aliases of MLflow's registered models, each made once however often it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from reticent.backends import UnavailableError
from reticent.backends.mlflow.client import Client, DeniedError, NoSuchEndpointError, RefusedError, pages
from reticent.decoding import decodable
from reticent.files import LockedError, locked

_EXISTS = "RESOURCE_ALREADY_EXISTS"

ALIAS_TAG = "reticent.alias."
"""A registered model's tag with this and an alias says when we have set that last (epoch seconds): what was set before,
in whichever run, comes too late."""

WAIT_S = 30.0
"""How long another process that sets an alias of the same model is waited for."""


@decodable
class Alias(msgspec.Struct):
    """An alias of a registered model that was set at a time."""

    name: str
    alias: str
    time: float


def told(alias: Alias) -> str:
    return f"the alias {alias.alias!r} of {alias.name!r}"


def register(client: Client, name: str, run_id: str, source: str, model_id: str | None) -> str:
    """Have the model of a run be a version of the registered model `name`, and say which. RefusedError if it cannot be."""
    with _refusals("registered"):
        for known in _versions(client, run_id):
            if known["name"] == name and known.get("source") == source:
                return str(known["version"])
        try:
            client.post("registered-models/create", name=name)
        except RefusedError as error:
            if error.code != _EXISTS:
                raise
        logged = {} if model_id is None else {"model_id": model_id}
        made = client.post("model-versions/create", name=name, source=source, run_id=run_id, **logged)
        return str(made["model_version"]["version"])


def set_alias(client: Client, wanted: Alias, version: str, locks: Path) -> None:
    """Have an alias mean a version, unless it was set later already. RefusedError if it cannot be.

    By one process of a root at a time: of two, the one that was told of the earlier might come last.
    """
    tag = f"{ALIAS_TAG}{wanted.alias}"
    lock = locks / f"{sha256(wanted.name.encode()).hexdigest()[:32]}.lock"
    try:
        with locked(lock, WAIT_S), _refusals("set"):
            model = client.get("registered-models/get", name=wanted.name)["registered_model"]
            if _set_at(model, tag) >= wanted.time:
                return
            client.post("registered-models/alias", name=wanted.name, alias=wanted.alias, version=version)
            # Behind it: if this fails, the next try sets it to the same.
            client.post("registered-models/set-tag", name=wanted.name, key=tag, value=repr(wanted.time))
    except LockedError as error:
        raise UnavailableError(f"another process is setting an alias at {client.url}") from error


def _set_at(model: dict[str, Any], tag: str) -> float:
    value = next((one["value"] for one in model.get("tags", ()) if one["key"] == tag), "")
    try:
        return float(value)
    except ValueError:  # somebody else's, or none
        return 0.0


def _versions(client: Client, run_id: str) -> Iterator[dict[str, Any]]:
    """All that are made of models of a run."""
    search = partial(client.get, "model-versions/search")
    return pages(search, "model_versions", filter=f"run_id = '{run_id}'")


@contextmanager
def _refusals(what: str) -> Iterator[None]:
    """What is refused here is refused for good: runs are taken, so it is the registry that is not there, or not ours."""
    try:
        yield
    except (NoSuchEndpointError, DeniedError, RefusedError) as error:
        code = error.code if isinstance(error, RefusedError) else ""
        raise RefusedError(f"it is not {what}: {error}", 400, code) from error
