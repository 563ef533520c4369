"""Registered models: names for the versions of a model, and aliases for versions.

A version is a file `<root>/models/<name>/<number>.json`, made once and never changed; an alias is a file
`<root>/models/<name>/@<alias>` with a number in it. That it was set is also a record in the log of the run that the
version's model is from, and so comes to every backend that has a registry.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from reticent import clock, settings
from reticent.backends import name_of
from reticent.decoding import decodable
from reticent.errors import ReticentError
from reticent.files import make_directory, open_private, write_private
from reticent.guard import warn_once
from reticent.records import ModelAlias

if TYPE_CHECKING:
    from reticent.session import Session

_NAME = re.compile(r"[^/\\@:\0]{1,200}")


@decodable
class ModelVersion(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    version: int
    source: str
    """The URI of the model."""
    time: float


def register_model(uri: str | os.PathLike[str], name: str) -> ModelVersion:
    """Make the model at `uri` the next version of the registered model `name`.

    The model must be there: a directory or URL with an MLmodel file, or a run's model that is published, for which this
    waits. Its files are not looked into. ReticentError if there is none, or for a name that cannot be one.
    """
    from reticent.models.locate import settled
    from reticent.sessions import current

    directory = _directory(name)
    if current().seal("warning", os.fspath(uri)) != os.fspath(uri):
        raise ReticentError(
            "a model's URI must not hold a secret, as it is written down: leave credentials to the environment, from where "
            "fsspec takes them"
        )
    return _next_version(directory, name, settled(uri))


def add(root: Path, name: str, source: str) -> None:
    """Make the model at a URI that will do for good the next version of a registered model, unless it is one already."""
    directory = root / "models" / checked(name)
    if all(_read(directory, number).source != source for number in sorted(_versions(directory), reverse=True)):
        _next_version(directory, name, source)


def _next_version(directory: Path, name: str, source: str) -> ModelVersion:
    make_directory(directory)
    number = max(_versions(directory), default=0) + 1
    while True:
        made = ModelVersion(name=name, version=number, source=source, time=time.time())
        try:
            descriptor = open_private(directory / f"{number}.json", os.O_WRONLY | os.O_EXCL)
        except FileExistsError:  # another process was faster
            number += 1
            continue
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(made))
        return made


def set_alias(name: str, alias: str, version: int) -> None:
    """Have `models:/<name>@<alias>` mean this version from now on, here and at every backend that has a registry, where the
    version may have another number. Of several who set one alias, the last by the clock has it.

    ReticentError if there is no such version, the alias cannot be one, or the log of the model's run cannot be written.
    """
    from reticent.models.locate import told
    from reticent.sessions import current

    directory = _directory(name)
    if version not in _versions(directory):
        raise ReticentError(f"the registered model {name!r} has no version {version}")
    session = current()
    sealed = session.seal("artifact name", checked(alias)), session.seal("artifact name", name)
    if sealed != (alias, name):
        raise told(f"the alias {alias!r} of {name!r} cannot be set: a secret is in it, and it would be written down")
    file = directory / f"@{alias}"
    moment = max(clock.now(), _set_at(file) + 1e-6)  # later than what another clock has said
    found = _read(directory, version).source
    run_id, _, path = found.removeprefix("runs:/").partition("/")
    if found.startswith("runs:/") and session.run_directory(run_id).is_dir():
        record = ModelAlias(time=moment, name=sealed[1], alias=sealed[0], path=session.seal("artifact name", path))
        try:
            _note(session, run_id, record)
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise told(
                f"the alias {alias!r} is not set: the log of the run {run_id} cannot be written ({why})"
            ) from error
    elif any(name_of(url) != "sqlite" for url in session.settings.backends):
        message = (
            f"the alias {alias!r} of {name!r} is set here alone: version {version} is no model of a run that is here"
        )
        warn_once(f"alias {name}@{alias}", session.seal("warning", message))
    write_private(file, str(version).encode(), round(moment * 1e9))


def _note(session: Session, run_id: str, record: ModelAlias) -> None:
    """Append to the log of a run that may have ended, or be another process's, and have it delivered. OSError if it cannot
    be written."""
    from reticent.recovery import events, recover
    from reticent.runlog import RunReader

    followed = True
    if run_id not in session.begun:
        recover(session, run_id)
        reader = RunReader(session.run_directory(run_id))
        events(reader)  # who has closed it is known then
        followed = reader.finished()  # else the process that has it open delivers this, too
    writer = session.log_writer(run_id)
    writer.append(record)
    if run_id not in session.runs:
        writer.close()
    if followed:
        session.follow(run_id)


def _set_at(file: Path) -> float:
    """When an alias was set last, by its file; 0.0 if never."""
    try:
        return file.stat().st_mtime_ns / 1e9
    except FileNotFoundError:
        return 0.0


def source(reference: str) -> str:
    """The URI behind `<name>/<version>` or `<name>@<alias>`. ReticentError if nothing is registered so."""
    name, slash, number = reference.partition("/")
    if slash:
        version = _number(number)
    else:
        name, at, alias = reference.partition("@")
        if not at:
            raise ReticentError(f"which version? models:/{name}/<number> or models:/{name}@<alias>")
        try:
            version = _number((_directory(name) / f"@{checked(alias)}").read_text("utf-8", "replace"))
        except FileNotFoundError:
            raise ReticentError(f"the registered model {name!r} has no alias {alias!r}") from None
    found = _read(_directory(name), version).source
    if found.startswith("models:/"):
        raise ReticentError(f"version {version} of the registered model {name!r} refers to another registered model")
    return found


def _read(directory: Path, version: int) -> ModelVersion:
    name = directory.name
    try:
        data = (directory / f"{version}.json").read_bytes()
    except FileNotFoundError:
        known = ", ".join(map(str, sorted(_versions(directory)))) or "none"
        raise ReticentError(f"the registered model {name!r} has no version {version}; it has: {known}") from None
    try:
        return msgspec.json.decode(data, type=ModelVersion)
    except msgspec.DecodeError as error:
        raise ReticentError(f"version {version} of the registered model {name!r} cannot be read: {error}") from None


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise ReticentError(f"a version is a number, as in models:/churn/3, not {text[:40]!r}")
    return int(text)


def _directory(name: str) -> Path:
    return settings.root(settings.current().settings) / "models" / checked(name)


def checked(name: str) -> str:
    """A name of a registered model or an alias. ReticentError if it can be none."""
    if not _NAME.fullmatch(name) or name in (".", ".."):
        raise ReticentError(f"{name!r} cannot be a name here: it needs 1 to 200 characters, and none of / \\ @ :")
    return name


def _versions(directory: Path) -> list[int]:
    return [int(path.stem) for path in directory.glob("*.json") if path.stem.isdecimal()]
