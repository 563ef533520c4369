"""The user's own modules beside a model, which MLflow calls code paths: copied when it is logged, importable when it is
loaded."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reticent.files import inside, share, snapshot
from reticent.models.flavor import PYTHON_FUNCTION, Config

DIRECTORY = "code"
KEY = "code"
"""Of a flavour's config, as MLflow has it."""

MAX_MB = 50


def copy(paths: Sequence[str | os.PathLike[str]], files: Path) -> None:
    """Copy modules and packages into `code/` of a model.

    Of a directory that is Python files, and whatever lies in packages. Raises TypeError if it is no list, ValueError if
    there is no code at a path, at two of them the same, or too much, OSError if it cannot be copied.
    """
    if isinstance(paths, (str, os.PathLike)):
        raise TypeError(f"code_paths is a list of paths: code_paths=[{os.fspath(paths)!r}]")
    left = MAX_MB * 1_000_000
    for given in paths:
        source = Path(given).expanduser().absolute()
        found = [source] if source.is_file() else list(_code_in(source))
        if not found:
            raise ValueError(f"code_paths: there is no Python code at {os.fspath(given)!r}")
        for file in found:
            left -= file.stat().st_size
            target = files / DIRECTORY / file.relative_to(source.parent)
            if left < 0:
                raise ValueError(f"code_paths: there is more than {MAX_MB} MB of files; name the modules that it needs")
            if target.exists():
                raise ValueError(f"code_paths: there are two files {target.relative_to(files / DIRECTORY)}")
            snapshot(file, target)


def noted(flavors: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What MLmodel says under `flavors`, with the code of a model of the flavour `name`."""
    return {
        key: {**config, KEY: DIRECTORY} if key in (name, PYTHON_FUNCTION) else config for key, config in flavors.items()
    }


def take_over(saved: Path, finished: Path) -> bool:
    """The code of a model that was saved belongs to the finished one too; whether there is any."""
    files = [path for path in (saved / DIRECTORY).rglob("*") if path.is_file()]
    for file in files:
        share(file, finished / file.relative_to(saved))
    return bool(files)


def imports(config: Config) -> list[str]:
    """What loading runs of it: anything."""
    return [f"code in {config[KEY]}/"] if config.get(KEY) else []


@contextmanager
def importable(directory: Path, config: Config) -> Iterator[None]:
    """From now on its modules can be imported; meanwhile nothing is written beside them. ValueError if the config leads
    out of the directory."""
    if not config.get(KEY):
        yield
        return
    place = str(inside(directory, config[KEY]).resolve())
    if place not in sys.path:
        sys.path.insert(0, place)
    before = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


def _code_in(root: Path) -> Iterator[Path]:
    packages: set[Path] = set()
    for place, directories, names in os.walk(root):
        directories[:] = sorted(name for name in directories if not _is_left(name))
        here = Path(place)
        if "__init__.py" in names or here.parent in packages:
            packages.add(here)
        for name in sorted(names):
            file = here / name
            wanted = name.endswith(".py") or (here in packages and not name.endswith(".pyc"))
            if wanted and not _is_left(name) and file.is_file() and root.resolve() in file.resolve().parents:
                yield file


def _is_left(name: str) -> bool:
    return name == "__pycache__" or name.startswith(".")
