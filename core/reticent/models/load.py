"""Loading a model that was published: found, checked file by file, and given to its flavour."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reticent import settings
from reticent.errors import ReticentError
from reticent.files import inside, sha256_of
from reticent.models import code
from reticent.models.flavor import Flavor, named
from reticent.models.locate import located, told
from reticent.models.missing import advice
from reticent.models.mlmodel import FILE, MOST_BYTES, ModelFile, PublishedModel, published_model
from reticent.models.requirements import modules_of
from reticent_redact.signals import from_handler

SHOWN = 10
_IN_ANY_PICKLE = ("builtins", "cloudpickle")


def load_model(uri: str | os.PathLike[str], *, trust: bool = False) -> Any:
    """The model at a URI: `runs:/<run id>/<path>`, `models:/<name>/<version>`, `models:/<name>@<alias>`, a local
    directory, or a URL that fsspec knows.

    What is not stored in a safe format runs code when it is loaded, so it needs `trust=True`. Raises ReticentError if
    it was not given, if there is no such model, if a file of it was changed, or if what it needs is not installed.
    """
    with opened(uri) as model:
        return model.load(trust)


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """A model's files, each as it was published."""

    uri: str
    directory: Path
    published: PublishedModel
    flavor: Flavor

    @property
    def config(self) -> dict[str, Any]:
        """What MLmodel says under the flavour's name."""
        return dict(self.published.flavors[self.flavor.name])

    def imports(self) -> list[str]:
        """What loading would import or run because a file of the model says so."""
        found = [f"the file {name}, which was not published with it" for name in self.unlisted()]
        found += code.imports(self.config)
        if self.flavor.imports is not None:
            with self._told():
                found += self.flavor.imports(self.directory, self.config)
        return found

    def load(self, trust: bool) -> Any:
        """ReticentError if it needs trust and has none, or cannot be loaded."""
        imports = self.imports()
        if imports and not trust:
            raise told(
                f"loading the model at {self.uri!r} runs code that its files name: it would import {shown(imports)}; "
                "if you trust where it comes from, load it with trust=True (--trust on the command line)"
            )
        with self._told(), code.importable(self.directory, self.config):
            return self.flavor.load(self.directory, self.config)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except ReticentError:
            raise
        except ImportError as error:
            raise told(f"the model at {self.uri!r} needs {advice(error, self.requirements())}") from error
        except Exception as error:  # of the framework, or of a file that is not what it should be
            if from_handler(error):
                raise
            raise told(
                f"the model at {self.uri!r} cannot be loaded as {self.flavor.name}: {type(error).__name__}: {error}"
            ) from error

    def requirements(self) -> list[str]:
        """What has to be installed, as the model says."""
        try:
            return _read(self.directory, "requirements.txt").splitlines()
        except (OSError, ValueError):
            return []

    def unlisted(self) -> list[str]:
        """The files in the directory that were not published with the model, if it says which were."""
        listed = {FILE, *(file.path for file in self.published.files)}
        found = (path.relative_to(self.directory).as_posix() for path in self.directory.rglob("*") if not path.is_dir())
        return sorted(set(found) - listed) if self.published.files else []


@contextmanager
def opened(uri: str | os.PathLike[str]) -> Iterator[OpenedModel]:
    """The model at a URI, checked. ReticentError if there is none, it was changed, or nothing here loads its kind."""
    with located(uri) as directory:
        model = described(uri, directory)
        _check_with_log(directory)
        for file in model.files:
            check(directory, file)
        flavor = flavor_of(model)
        if flavor is None:
            known = ", ".join(sorted(map(str, model.flavors))) or "none"
            raise told(
                f"no flavor that is known here loads the model at {os.fspath(uri)!r}; it has the flavors: {known}"
            )
        yield OpenedModel(os.fspath(uri), directory, model, flavor)


def described(uri: str | os.PathLike[str], directory: Path) -> PublishedModel:
    """What the MLmodel file says of the model in a directory. ReticentError if there is none, or none that can be read."""
    try:
        text = _read(directory, FILE)
    except (FileNotFoundError, NotADirectoryError):
        raise told(f"no model at {os.fspath(uri)!r}: {directory} has no file {FILE}") from None
    except (OSError, ValueError) as error:
        raise told(f"the file {FILE} at {os.fspath(uri)!r} cannot be read: {error}") from error
    return published_model(text)


def _check_with_log(directory: Path) -> None:
    """ReticentError if the MLmodel file of a model in a run is not the one that the run log knows: it says what the other
    files should be."""
    from reticent.store import get_run

    runs = settings.root(settings.current().settings) / "runs"
    try:
        run_id, _, *path = directory.absolute().relative_to(runs).parts
        logged: dict[str, str] = {file.path: file.sha256 for file in get_run(run_id).artifacts()}
    except (ValueError, ReticentError):
        return  # no model of a run, or of one that is only a directory
    known = logged.get("/".join([*path, FILE]))
    if known is not None and known != sha256_of(inside(directory, FILE)):
        raise told(f"the file {FILE} in {directory} is not the one that was published; do not use the model")


def _read(directory: Path, name: str) -> str:
    path = inside(directory, name)
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError(f"it has more than {MOST_BYTES >> 20} MB")
    return data.decode("utf-8")


def flavor_of(model: PublishedModel) -> Flavor | None:
    """The flavour that loads a model, of those that are known here."""
    flavor = named([*([model.flavor] if model.flavor else []), *model.flavors])
    return flavor if flavor is not None and isinstance(model.flavors.get(flavor.name), dict) else None


def check(directory: Path, file: ModelFile) -> None:
    """ReticentError if a file is not what was published."""
    try:
        digest = sha256_of(inside(directory, file.path))
    except FileNotFoundError:
        raise told(f"the model in {directory} is not complete: {file.path!r} is missing; copy it again") from None
    except ValueError as error:
        raise told(f"the model in {directory} is not to be used: {error}") from None
    if digest != file.sha256:
        raise told(
            f"{file.path!r} in {directory} is not the file that was published: its checksum differs; do not use it, "
            "and fetch the model again from where it came from"
        )


def shown(imports: Sequence[str]) -> str:
    """The first of what would be imported: the user's own before what is installed, and last what any pickle names."""
    installed = {*modules_of(imports), *sys.stdlib_module_names}

    def rank(name: str) -> int:
        module = name.partition(".")[0]
        return 2 if module in _IN_ANY_PICKLE else 1 if module in installed else 0

    listed = ", ".join(sorted(imports, key=rank)[:SHOWN])
    return f"{listed} and {len(imports) - SHOWN} more" if len(imports) > SHOWN else listed
