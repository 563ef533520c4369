"""Where settings are said: in a file, in the environment, by `configure`. What they mean is in `settings`, which takes a
while to import: `autolog()` does not where nothing is said.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from reticent.errors import SettingsError

configured: dict[str, Any] = {}
"""What `reticent.configure` has set."""


def any_said() -> bool:
    """Whether there are settings at all. Raises SettingsError for a file that cannot be read."""
    return bool(configured) or any(name.startswith("RETICENT_") for name in os.environ) or bool(files(Path.cwd()))


def files(start: Path) -> list[tuple[str, Path | None, dict[str, Any]]]:
    """The table of the nearest reticent.toml or pyproject.toml that has one, if any."""
    for directory in (start, *start.parents):
        own, project = directory / "reticent.toml", directory / "pyproject.toml"
        if own.is_file():
            return [(str(own), own, table(own))]
        if project.is_file():
            found = table(project).get("tool", {}).get("reticent")
            return [] if found is None else [(f"{project} [tool.reticent]", project, found)]
    return []


def table(path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    try:
        found: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not valid TOML: {error}") from None
    return found
