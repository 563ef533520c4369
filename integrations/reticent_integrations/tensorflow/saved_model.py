"""SavedModels are loaded from a copy of what was looked through, so that nobody changes it in between."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from reticent.files import inside, snapshot
from reticent_integrations.tensorflow.graph import ASSETS, FILE, unsafe_operations


def load(directory: Path, tags: Sequence[str] | None, check: Callable[[list[str]], None]) -> Any:
    """The SavedModel in a directory. `check` is told what its graphs do besides computing, and may raise."""
    import tensorflow

    copy = Path(tempfile.mkdtemp(prefix="reticent-"))
    try:
        snapshot(directory / FILE, copy / FILE)
        _copy_assets(directory, copy)
        if (directory / "variables").is_dir():  # numbers alone, and most of the bytes
            (copy / "variables").symlink_to(inside(directory, "variables").resolve())
        check(unsafe_operations(copy))
        loaded = tensorflow.saved_model.load(str(copy), tags=tags)
    except BaseException:
        shutil.rmtree(copy, ignore_errors=True)
        raise
    if (copy / ASSETS).exists():  # saving the model again reads them
        weakref.finalize(loaded, shutil.rmtree, copy, ignore_errors=True)
    else:
        shutil.rmtree(copy, ignore_errors=True)
    return loaded


def _copy_assets(directory: Path, copy: Path) -> None:
    for path in sorted((directory / ASSETS).rglob("*")):
        name = path.relative_to(directory).as_posix()
        if inside(directory, name).is_file():
            snapshot(path, copy / name)
