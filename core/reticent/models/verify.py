"""Verifying a published model: its files are those that were published, another process loads it, and it predicts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from reticent import registry
from reticent.aside import Aside, AsideError
from reticent.decoding import decodable
from reticent.errors import NothingPredictsError, ReticentError, RunNotFoundError, StoreError
from reticent.files import inside, sha256_of
from reticent.guard import tried
from reticent.models import example
from reticent.models.load import OpenedModel, described, flavor_of, opened
from reticent.models.locate import located, told
from reticent.models.mlmodel import FILE, ModelFile, PublishedModel
from reticent.models.pyfunc import PyFunc
from reticent.models.signature.infer import schema
from reticent.models.signature.kinds import Spec
from reticent.models.signature.schema import Signature

TIMEOUT_S = 900.0
"""Models of gigabytes take minutes."""
REDACTED = "[REDACTED:"


@decodable
class FileState(msgspec.Struct, frozen=True):
    path: str
    size: int
    state: Literal["as published", "changed", "missing", "outside", "no checksum"]
    """`outside`: its path leads out of the model's directory. `no checksum`: the MLmodel file does not list it."""


@decodable
class Judged(msgspec.Struct, frozen=True):
    """What was found before another process loads the model, which must find the same."""

    trust: bool
    imports: list[str]
    files: list[ModelFile]


@decodable
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
        if name not in listed and (path.is_symlink() or not path.is_dir()):
            states.append(FileState(name, path.lstat().st_size, "no checksum"))
    return states


def verify(uri: str, *, trust: bool) -> Iterator[Step]:
    """Each step as it is done; none follows a bad one. ReticentError if there is no model, or it needs trust and has
    none."""
    with located(uri) as directory:
        model = described(uri, directory)
        files = file_states(directory, model)
        wrong = [step for file in files if (step := _wrong(file, model)) is not None]
        of_log = _by_run_log(os.fspath(uri), directory)
        yield from wrong
        if of_log is not None:
            yield of_log
        if wrong or (of_log is not None and of_log.state == "bad"):
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
        yield from _aside(directory, Judged(trust, imports, model.files))


def _wrong(file: FileState, model: PublishedModel) -> Step | None:
    if file.state in ("changed", "missing", "outside"):
        return Step("bad", f"{file.path} is {file.state}")
    if file.state == "no checksum" and model.files:
        return Step("bad", f"{file.path} is not among the files that were published: {FILE} does not list it")
    return None


def _by_run_log(uri: str, directory: Path) -> Step | None:
    """Whether the MLmodel file, which says what the others are, is the one that the run's log names; None for a model
    of no run."""
    while uri.startswith("models:/"):
        uri = registry.source(uri.removeprefix("models:/").strip("/"))
    run_id, _, path = uri.removeprefix("runs:/").strip("/").partition("/")
    if not uri.startswith("runs:/"):
        return None
    from reticent.store import get_run

    try:
        artifacts = get_run(run_id).artifacts()
    except (RunNotFoundError, StoreError) as error:
        return Step("fair", f"no run's log says what {FILE} was: {error}")
    name = f"{path.strip('/')}/{FILE}"
    digest = next((artifact.sha256 for artifact in artifacts if artifact.path == name), None)
    if digest is None:
        return Step("fair", f"the run's log does not say what {FILE} was")
    if sha256_of(directory / FILE) != digest:
        return Step("bad", f"{FILE} is changed: the run's log has another checksum for it")
    return Step("good", f"{FILE} has the checksum that the run's log says")


def _aside(directory: Path, judged: Judged) -> list[Step]:
    aside = Aside()
    try:
        data = msgspec.json.encode(judged).decode()
        answer = aside.call(_try, str(directory.absolute()), data, timeout_s=TIMEOUT_S)
    except (AsideError, OSError) as error:
        return [Step("bad", f"another process cannot load it: {error}")]
    finally:
        aside.close()
    return msgspec.json.decode(answer, type=list[Step])


def _try(directory: str, judged: str) -> str:
    """The steps that another process does, as JSON."""
    return msgspec.json.encode(list(_tried(directory, msgspec.json.decode(judged, type=Judged)))).decode()


def _tried(directory: str, judged: Judged) -> Iterator[Step]:
    with opened(directory) as model:
        try:
            # The directory may be another one by now: who can write it does not get to load what was not judged.
            if model.published.files != judged.files or not set(judged.imports).issuperset(model.imports()):
                yield Step("bad", "the model was changed while it was verified; nothing of it was loaded")
                return
            loaded = model.load(judged.trust)
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
    with tried() as attempt:
        predictions = model.predict(example.data(given, specs))
    if isinstance(attempt.error, NothingPredictsError):
        yield Step("none", str(attempt.error))
        return
    if attempt.error is not None:
        why = f"{type(attempt.error).__name__}: {attempt.error}"
        yield Step("bad", f"it does not predict its input example: {why}"[:1000])
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
