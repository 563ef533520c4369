"""Pictures of logged data, drawn aside from data that is sealed. Where there can be no child process, or it fails, a
picture is drawn here."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

from reticent.aside import Aside, AsideError

TIMEOUT_S = 120

Draw: TypeAlias = Callable[[Any], Any]
"""A function of a module, which makes a matplotlib figure of what `json.loads` gives."""


def draw(aside: Aside, picture: Draw, data: str, file: Path) -> None:
    """Draw sealed JSON to a file, whose suffix is the format. Raises what `picture` raises."""
    try:
        if picture.__module__ == "__main__":
            raise OSError("a function of a script is not known to another process")
        aside.call(_draw_named, picture.__module__, picture.__qualname__, data, str(file), timeout_s=TIMEOUT_S)
    except (OSError, AsideError):
        _draw(picture, data, file)


def _draw_named(module: str, name: str, data: str, file: str) -> str:
    _draw(getattr(import_module(module), name), data, Path(file))
    return ""


def _draw(picture: Draw, data: str, file: Path) -> None:
    picture(json.loads(data)).savefig(file)
