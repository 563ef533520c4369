"""From a model's URI to a directory with its files.

runs:/<run id>/<path>                       a model that was logged to a run; the beginning of the id will do
models:/<name>/<version>, models:/<name>@<alias>   a registered model
<path>                                      a directory
s3://..., memory://..., anything of fsspec's       copied to a private directory for as long as it is needed
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reticent import registry, settings
from reticent.errors import ReticentError
from reticent.files import make_directory, safe_relative
from reticent.runlog import ARTIFACTS


@contextmanager
def located(uri: str | os.PathLike[str]) -> Iterator[Path]:
    """A directory for a URI. It may not exist; a ReticentError says what is wrong with the URI itself."""
    text = os.fspath(uri)
    if text.startswith("runs:/"):
        yield _of_run(text)
    elif text.startswith("models:/"):
        with located(registry.source(text.removeprefix("models:/").strip("/"))) as directory:
            yield directory
    elif "://" in text:
        import tempfile

        with tempfile.TemporaryDirectory(prefix="reticent-model-") as place:
            yield _fetched(text, Path(place) / "model")
    else:
        yield Path(text).expanduser()


def _of_run(uri: str) -> Path:
    run_id, _, path = uri.removeprefix("runs:/").strip("/").partition("/")
    if not run_id or not path:
        raise told(f"a model's uri must be runs:/<run id>/<path>, not {uri!r}")
    try:
        run, within = safe_relative(run_id), safe_relative(path)
    except ValueError as error:
        raise told(f"{uri!r} names no model: {error}") from None
    runs = settings.root(settings.current().settings) / "runs"
    if not (runs / run).is_dir():
        from reticent.store import get_run

        run = Path(get_run(run_id).run_id)
    return runs / run / ARTIFACTS / within


def _fetched(url: str, target: Path) -> Path:
    try:
        import fsspec
    except ImportError:
        raise told(f"to load a model from {url!r}, install fsspec: pip install 'reticent[fsspec]'") from None
    try:
        files, root = fsspec.core.url_to_fs(url)
        for name in files.find(root):
            relative = safe_relative(name[len(root) :].lstrip("/"))
            make_directory((target / relative).parent)
            _copy(files, name, target / relative)
    except (OSError, ValueError, ImportError) as error:  # ImportError: of the protocol's own package, which it names
        raise told(f"the model at {url!r} cannot be fetched: {type(error).__name__}: {error}") from error
    return target


def _copy(files: Any, name: str, target: Path) -> None:
    import shutil

    with files.open(name, "rb") as source, target.open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)


def told(message: str) -> ReticentError:
    """An error that repeats what the caller gave, sealed: it may go to a log."""
    from reticent.session import current

    return ReticentError(current().seal("warning", message))
