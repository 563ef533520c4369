"""What integrations capture, as their tests have seen it, and with which versions: files in the package of each.

`captures.json` is of the newest version that was tested, `oldest.json` says which the oldest one is.
"""

from __future__ import annotations

from importlib import import_module, metadata, resources
from typing import TYPE_CHECKING, TypeVar

import msgspec

from reticent.decoding import decodable
from reticent.guard import tried

if TYPE_CHECKING:
    from reticent.patching import Integration

Form = TypeVar("Form")


@decodable
class Training(msgspec.Struct, frozen=True, kw_only=True):
    """What one training has left: names, and of params their origin."""

    params: dict[str, str | None] = {}
    metrics: list[str] = []
    tags: list[str] = []
    artifacts: list[str] = []
    datasets: list[str] = []
    models: list[str] = []

    def groups(self) -> dict[str, list[str]]:
        """The names by what they are of, params by their origin too; what is empty left out."""
        origins = dict.fromkeys(["explicit", "default", "derived", *self.params.values()])
        params = {
            f"params, {origin}" if origin else "params": [name for name, its in self.params.items() if its == origin]
            for origin in origins
        }
        others = {
            "metrics": self.metrics,
            "tags": self.tags,
            "artifacts": self.artifacts,
            "data sets": self.datasets,
            "models": self.models,
        }
        return {what: names for what, names in {**params, **others}.items() if names}


@decodable
class Captures(msgspec.Struct, frozen=True, kw_only=True):
    version: str
    """The version of the framework that was trained with."""
    trainings: dict[str, Training]
    """By what was trained, in a few words."""


@decodable
class Oldest(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the contract tests with the oldest version."""

    version: str
    passed: int
    failed: int


@decodable
class Versions(msgspec.Struct, frozen=True, kw_only=True):
    required: str
    oldest: Oldest | None
    newest: str | None


def tables() -> dict[str, Captures]:
    """Of each integration that has a table, by the name of its entry point; several in one package share it."""
    found = {names: _read(package, "captures.json", Captures) for names, package in _packages().items()}
    return {names: table for names, table in found.items() if table is not None}


def versions() -> dict[str, Versions]:
    """Which versions of the frameworks are captured, and which were tested, by names as in `tables`."""
    found = {}
    for names, package in _packages().items():
        oldest, table = _read(package, "oldest.json", Oldest), _read(package, "captures.json", Captures)
        if oldest is not None or table is not None:
            newest = None if table is None else table.version
            found[names] = Versions(required=_required(package), oldest=oldest, newest=newest)
    return found


def _packages() -> dict[str, str]:
    names: dict[str, list[str]] = {}
    for point in sorted(metadata.entry_points(group="reticent.integrations"), key=lambda point: point.name):
        names.setdefault(point.value.partition(":")[0], []).append(point.name)
    return {", ".join(own): package for package, own in names.items()}


def _read(package: str, name: str, form: type[Form]) -> Form | None:
    with tried():  # it may have none, or be broken: the doctor reports that
        return msgspec.json.decode((resources.files(package) / name).read_bytes(), type=form)
    return None


def _required(package: str) -> str:
    integration: Integration = import_module(package).integration
    return integration.requires
