"""Verifying a published model: its files are those that were published, another process loads it, and it predicts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from reticent.aside import Aside, AsideError
from reticent.errors import ReticentError
from reticent.files import inside, sha256_of
from reticent.models import example
from reticent.models.load import OpenedModel, described, flavor_of, opened
from reticent.models.locate import located, told
from reticent.models.mlmodel import FILE, PublishedModel
from reticent.models.pyfunc import PyFunc
from reticent.models.signature.infer import schema
from reticent.models.signature.kinds import Spec
from reticent.models.signature.schema import Signature

TIMEOUT_S = 900.0
"""Models of gigabytes take minutes."""
REDACTED = "[REDACTED:"


class FileState(msgspec.Struct, frozen=True):
    path: str
    size: int
    state: Literal["as published", "changed", "missing", "outside", "no checksum"]
    """`outside`: its path leads out of the model's directory. `no checksum`: the MLmodel file does not list it."""


class Step(msgspec.Struct, frozen=True):
    """What was looked at, and what came of it; `bad` is what a model must not be."""

    state: Literal["good", "fair", "bad", "none"]
    text: str


def file_states(directory: Path, model: PublishedModel) -> list[FileState]:
    """Each file of a model, with what has become of it since it was published."""
    states = []
    for file in model.files:
        state: Literal["as published", "changed", "missing", "outside"]
        try:
            same = sha256_of(inside(directory, file.path)) == file.sha256
            state = "as published" if same else "changed"
        except OSError:
            state = "missing"
        except ValueError:
            state = "outside"
        states.append(FileState(file.path, file.size, state))
    listed = {file.path for file in model.files} | {FILE}
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        if name not in listed and path.is_file():
            states.append(FileState(name, path.stat().st_size, "no checksum"))
    return states


def verify(uri: str, *, trust: bool) -> Iterator[Step]:
    """Each step as it is done; none follows a bad one. ReticentError if there is no model, or it needs trust and has
    none."""
    with located(uri) as directory:
        model = described(uri, directory)
        files = file_states(directory, model)
        wrong = [file for file in files if file.state in ("changed", "missing", "outside")]
        for file in wrong:
            yield Step("bad", f"{file.path} is {file.state}")
        if wrong:
            return
        checked = [file for file in files if file.state == "as published"]
        if checked:
            yield Step("good", f"{len(checked)} files have the checksums that they were published with")
        else:
            yield Step("fair", "the model lists no checksums: nobody can tell whether its files were changed")
        flavor = flavor_of(model)
        if flavor is None:
            yield Step("bad", f"no flavor that is known here loads it; it has: {', '.join(map(str, model.flavors))}")
            return
        imports = OpenedModel(os.fspath(uri), directory, model, flavor).imports()
        if imports and not trust:
            shown = ", ".join(imports[:20])
            raise told(f"loading the model at {uri!r} would import {shown}; if you trust it, verify it with --trust")
        if imports:
            yield Step("fair", f"loading it runs code that its files name, from {', '.join(imports[:8])}")
        else:
            yield Step("good", "loading it runs no code that its files name")
        yield from _aside(directory)


def _aside(directory: Path) -> list[Step]:
    aside = Aside()
    try:
        answer = aside.call(_try, str(directory.absolute()), timeout_s=TIMEOUT_S)
    except (AsideError, OSError) as error:
        return [Step("bad", f"another process cannot load it: {error}")]
    finally:
        aside.close()
    return msgspec.json.decode(answer, type=list[Step])


def _try(directory: str) -> str:
    """The steps that another process does, as JSON."""
    return msgspec.json.encode(list(_tried(directory))).decode()


def _tried(directory: str) -> Iterator[Step]:
    with opened(directory) as model:
        try:
            loaded = model.load(trust=True)
        except ReticentError as error:
            yield Step("bad", str(error))
            return
        yield Step("good", f"another process loads it: {model.flavor.name}, {type(loaded).__qualname__}")
        given = example.stored(Path(directory), model.published.example)
        signature = Signature.parse(model.published.signature)
    if model.flavor.predict is None:
        yield Step("none", f"models of the flavor {model.flavor.name} are not asked for predictions")
    elif given is None:
        yield Step("none", "it has no input example, so nothing is predicted")
    elif REDACTED in msgspec.json.encode(given).decode():
        yield Step("none", "values of its input example are redacted, so nothing is predicted")
    else:
        yield from _predicted(PyFunc(loaded, model.flavor, signature), given)


def _predicted(model: PyFunc, given: example.Example) -> Iterator[Step]:
    specs = model.signature.inputs if model.signature else None
    try:
        predictions = model.predict(example.data(given, specs))
    except Exception as error:  # noqa: BLE001 - of the framework, whatever it is
        yield Step("bad", f"it does not predict its input example: {type(error).__name__}: {error}"[:1000])
        return
    yield Step("good", "it predicts its input example")
    expected = model.signature.outputs if model.signature else None
    found = schema(predictions)
    if expected is None or found is None:
        yield Step("none", "the model does not say what its predictions should be")
    elif _forms(found) == _forms(expected):
        yield Step("good", "the predictions are of the form that its signature says")
    else:
        yield Step("fair", f"the predictions are {_forms(found)}, where its signature says {_forms(expected)}")


def _forms(specs: list[Spec]) -> list[Any]:
    return [spec.get("tensor-spec") or [spec.get("name"), spec.get("type")] for spec in specs]
