"""From a model's URI to a directory with its files.

runs:/<run id>/<path>                       a model that was logged to a run; the beginning of the id will do
models:/<name>/<version>, models:/<name>@<alias>   a registered model
<path>                                      a directory
s3://..., memory://..., anything of fsspec's       copied to a private directory for as long as it is needed
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reticent import registry, settings
from reticent.errors import ReticentError
from reticent.files import make_directory, safe_relative
from reticent.models import description
from reticent.models.mlmodel import FILE
from reticent.runlog import ARTIFACTS, QUARANTINE, RUN_ID, STAGING
from reticent_redact.signals import from_handler

WAIT_S = 60.0
"""How long a model of this process may take to be written, which is done in the background."""
_LIKE_OURS = re.compile("[0-9a-f]{4,32}")


@contextmanager
def located(uri: str | os.PathLike[str]) -> Iterator[Path]:
    """A directory for a URI. A ReticentError says what is wrong with the URI, or why a run or URL has no such model;
    what is given as a path may not exist."""
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
        yield _of_path(text)


def settled(uri: str | os.PathLike[str]) -> str:
    """A URI that means the same model from anywhere and for good: with the whole id of a run or the whole path, and with
    what a registered model was made of. ReticentError if there is no such model."""
    text = os.fspath(uri)
    if text.startswith("runs:/"):
        _of_run(text)
        run_id, name = _split(text)
        return f"runs:/{_whole(run_id)}/{name}"
    if text.startswith("models:/"):
        return settled(registry.source(text.removeprefix("models:/").strip("/")))
    if "://" in text:
        with _remote(text) as (files, root):
            files.info(f"{root.rstrip('/')}/{FILE}")
        return text
    path = _of_path(text).absolute()
    if not (path / FILE).exists():
        raise told(f"no model at {text!r}: {path} has no file {FILE}")
    return str(path)


def _of_path(text: str) -> Path:
    path = Path(text).expanduser()
    run, _, name = text.strip("/").partition("/")
    if not path.exists() and RUN_ID.fullmatch(run) and (_LIKE_OURS.fullmatch(run) or (_runs() / run).is_dir()):
        raise told(f"there is no directory {text!r}; the URI of a run's model is runs:/{run}/{name or '<name>'}")
    return path


def _of_run(uri: str) -> Path:
    run_id, path = _split(uri)
    run_id = _whole(run_id)
    directory, within = _runs() / run_id, safe_relative(path)
    found = directory / ARTIFACTS / within
    done = _bring_to_end(run_id, directory, found)
    if not (found / FILE).exists():
        if not done:
            raise told(f"the model {uri!r} is not written yet: this process was not done with it in {WAIT_S:g} s")
        raise told(f"no model at {uri!r}: {_why_none(run_id, directory, within)}")
    return found


def _split(uri: str) -> tuple[str, str]:
    """The run's id and the path in `runs:/<run id>/<path>`, as they are given. ReticentError if it is no such URI."""
    run_id, _, path = uri.removeprefix("runs:/").strip("/").partition("/")
    if not run_id or not path:
        raise told(f"a model's uri must be runs:/<run id>/<path>, not {uri!r}")
    try:
        for part in (run_id, path):
            safe_relative(part)
    except ValueError as error:
        raise told(f"{uri!r} names no model: {error}") from None
    return run_id, path


def _whole(run_id: str) -> str:
    """The id of the run whose id is or begins so. RunNotFoundError if there is none."""
    if (_runs() / safe_relative(run_id)).is_dir():
        return run_id
    from reticent.store import get_run

    return get_run(run_id).run_id


def _bring_to_end(run_id: str, directory: Path, found: Path) -> bool:
    """Wait for what this process still writes of a run, or finish what another one left; False if time was too short."""
    from reticent.sessions import current

    session = current()
    if run_id in session.begun:
        deadline = time.monotonic() + WAIT_S
        queues = [session.background, session.models]
        while any(queue.pending() for queue in queues):  # what is made aside is sealed in the background
            if not all(queue.wait(deadline) for queue in queues):
                return False
    elif not (found / FILE).exists() or _has_entries(directory / STAGING):
        from reticent.store import get_run

        get_run(run_id)
    return True


def _why_none(run_id: str, directory: Path, within: Path) -> str:
    from reticent.store import get_run

    if any((directory / QUARANTINE / within).glob(f"*/{description.FILE}")):
        return f"it is withheld, because a secret is in it, or may be; `reticent show {run_id}` names the rule"
    models = sorted({model.path for model in get_run(run_id).models()})
    return f"the run has the models: {', '.join(models)}" if models else "the run has no models"


def _runs() -> Path:
    return settings.root(settings.current().settings) / "runs"


def _has_entries(directory: Path) -> bool:
    return directory.is_dir() and any(directory.iterdir())


@contextmanager
def _remote(url: str) -> Iterator[tuple[Any, str]]:
    """fsspec's file system for a URL, and the path in it. Errors of it name the URL and say what is wrong."""
    try:
        import fsspec
    except ImportError:
        raise told(f"to load a model from {url!r}, install fsspec: pip install 'reticent[fsspec]'") from None
    try:
        yield fsspec.core.url_to_fs(url)
    except ReticentError:
        raise
    except FileNotFoundError:
        raise told(f"no model at {url!r}: nothing is there") from None
    except Exception as error:  # each protocol's package has errors of its own; they name what is missing
        if from_handler(error):
            raise
        connection = any("Connect" in kind.__name__ or "Timeout" in kind.__name__ for kind in type(error).__mro__)
        why = "the connection failed: " if connection else ""
        raise told(f"the model at {url!r} cannot be fetched: {why}{type(error).__name__}: {error}") from error


def _fetched(url: str, target: Path) -> Path:
    with _remote(url) as (files, root):
        names = files.find(root)
        if not names:
            files.ls(root)  # raises what `find` leaves out: that there is no connection
        for name in names:
            relative = safe_relative(name[len(root) :].lstrip("/"))
            make_directory((target / relative).parent)
            _copy(files, name, target / relative)
    if not (target / FILE).exists():
        raise told(f"no model at {url!r}: {f'there is no file {FILE}' if names else 'nothing is there'}")
    return target


def _copy(files: Any, name: str, target: Path) -> None:
    import shutil

    with files.open(name, "rb") as source, target.open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)


def told(message: str) -> ReticentError:
    """An error that repeats what the caller gave, sealed: it may go to a log."""
    from reticent.sessions import current

    return ReticentError(current().seal("warning", message))
