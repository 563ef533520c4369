"""Loading a model that was published: found, checked file by file, and given to its flavour."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from reticent import settings
from reticent.errors import ReticentError
from reticent.files import safe_relative, sha256_of
from reticent.models.flavor import named
from reticent.models.mlmodel import FILE, ModelFile, published_model, runs_code
from reticent.runlog import ARTIFACTS


def load_model(uri: str | os.PathLike[str], *, trust: bool = False) -> Any:
    """The model at `runs:/<run id>/<path>` or in a local directory; of the run id the beginning will do.

    A model that is stored as a pickle runs code when it is loaded, so it needs `trust=True`. Raises ReticentError if it
    was not given, if there is no such run or model, if a file of it was changed, or if no installed integration can load it.
    """
    directory = _directory(uri)
    try:
        text = (directory / FILE).read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise _error(f"no model at {os.fspath(uri)!r}: {directory} has no file {FILE}") from None
    model = published_model(text)
    if runs_code(model.flavors) and not trust:
        raise _error(
            f"the model at {os.fspath(uri)!r} is stored as a pickle, and loading a pickle runs whatever code is in it; "
            "if you trust where it comes from, load it with load_model(..., trust=True)"
        )
    for file in model.files:
        _check(directory, file)
    flavor = named([model.flavor, *model.flavors])
    if flavor is None or flavor.name not in model.flavors:
        known = ", ".join(sorted(model.flavors))
        raise ReticentError(
            f"no installed integration loads a model with the flavors {known}; install the one that does"
        )
    return flavor.load(directory, model.flavors[flavor.name])


def _directory(uri: str | os.PathLike[str]) -> Path:
    text = os.fspath(uri)
    if not text.startswith("runs:/"):
        return Path(text)
    run_id, _, path = text.removeprefix("runs:/").strip("/").partition("/")
    if not run_id or not path:
        raise _error(f"a model's uri must be runs:/<run id>/<path>, not {text!r}")
    try:
        run, within = safe_relative(run_id), safe_relative(path)
    except ValueError as error:
        raise _error(f"{text!r} names no model: {error}") from None
    runs = settings.root(settings.current().settings) / "runs"
    if not (runs / run).is_dir():
        from reticent.store import get_run

        run = Path(get_run(run_id).run_id)
    return runs / run / ARTIFACTS / within


def _check(directory: Path, file: ModelFile) -> None:
    try:
        digest = sha256_of(directory / safe_relative(file.path))
    except FileNotFoundError:
        raise _error(f"the model in {directory} is not complete: {file.path!r} is missing; copy it again") from None
    if digest != file.sha256:
        raise _error(
            f"{file.path!r} in {directory} is not the file that was published: its checksum differs; do not use it, "
            "and fetch the model again from where it came from"
        )


def _error(message: str) -> ReticentError:
    """An error that repeats what the caller gave, sealed: it may go to a log."""
    from reticent.session import current

    return ReticentError(current().seal("warning", message))
