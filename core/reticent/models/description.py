"""What is written beside a staged model, so that it can be published from files alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from reticent.decoding import decodable
from reticent.files import write_private
from reticent.models.example import Example

FILE = "reticent-model.json"
FINISHED = "finished"
FILES = "model"
"""The directory, beside the description, with what the flavour saved."""

Finish: TypeAlias = Callable[[Path, Path, dict[str, Any]], dict[str, Any]]
"""As in `Flavor`."""


@decodable
class Description(msgspec.Struct, frozen=True, kw_only=True):
    """Written last and removed first: a snapshot with no description is none."""

    flavor: str
    flavors: dict[str, Any]
    utc_time: str
    python_version: str
    modules: dict[str, str]
    """The modules that the model needs, with their versions."""
    signature: dict[str, str | None] | None = None
    example: Example | None = None
    expected: Any = None
    """What the model gave for the example, as plain data."""
    metadata: dict[str, Any] = {}
    imports: list[str] | None = None
    """What loading it would import or run because its files say so; None if nobody has looked yet."""
    directory: str = FILES
    """The directory with the model; another one since it was finished."""


def write(staging: Path, description: Description) -> None:
    """OSError from the disk, TypeError if a flavour's config is no JSON."""
    write_private(staging / FILE, msgspec.json.encode(description, enc_hook=_text))


def _text(value: Any) -> str:
    if isinstance(value, str):  # of a subclass, which the encoder does not take
        return str(value)
    raise TypeError(f"a model's description must be JSON; it has a value of type {type(value).__name__}")


def read(staging: Path) -> Description:
    """FileNotFoundError if nothing is staged here, or no longer; ValueError if it is not as we write it."""
    described = msgspec.json.decode((staging / FILE).read_bytes(), type=Description)
    if described.directory not in (FILES, FINISHED):  # a run may have been copied in from anywhere
        raise ValueError("a model lies beside its description")
    return described
